// What the report holds, ready to be looked up: events as columns of numbers, lanes, slices, states, arrows.

async function inflate(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).json();
}

// The first index of a sorted array whose value is not below `value`.
function lowerBound(array, value, get = (x) => x) {
  let low = 0, high = array.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (get(array[middle]) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

const ROW_CALL = 0, ROW_IRQ = 1, ROW_STATE = 2;
const RUNNING = 1, WAITING = 2, BLOCKED = 3;
const STATES = new Set(["vcpu_on", "vcpu_off", "wait", "wake"]);
const PROBLEMS = new Set(["unknown", "exception_loop", "idle"]);

class Model {
  constructor(data) {
    this.data = data;
    this.vms = data.vms;
    this.kinds = data.kinds;
    this.pool = data.pool;
    const n = (this.count = data.what.length);
    this.seq = new Float64Array(n);
    this.time = new Float64Array(n);
    this.vm = Uint16Array.from(data.vm);
    this.vcpu = Int16Array.from(data.vcpu);
    this.what = Uint32Array.from(data.what);
    this.kind = new Uint16Array(n);
    this.causeSeq = new Float64Array(n);
    this.cause = new Int32Array(n).fill(-1);
    let seq = 0, time = 0;
    for (let i = 0; i < n; i++) {
      this.seq[i] = seq += data.seq[i];
      this.time[i] = time += data.time[i];
      this.kind[i] = this.pool[this.what[i]][0];
      if (data.cause[i]) {
        this.causeSeq[i] = seq - data.cause[i];
        this.cause[i] = this.find(this.causeSeq[i], i);
      }
    }
    data.seq = data.time = data.vm = data.vcpu = data.what = data.cause = null;
    this.closes = this.kinds.map((kind) => this.kinds.findIndex((other) => other.name === kind.closes));
    this.isOpener = this.kinds.map((_, kind) => this.closes.includes(kind));
    this.row = this.kinds.map(({ name }) => (STATES.has(name) ? ROW_STATE : name.startsWith("irq_") ? ROW_IRQ : ROW_CALL));
    this.isProblem = this.kinds.map(({ name }) => PROBLEMS.has(name));
    this.indexEffects();
    this.buildLanes();
    this.buildArrows();
    this.searchTexts = null;
  }

  // The index of the event with that number, -1 where the report does not hold it.
  find(seq, before = this.count) {
    let low = 0, high = before;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.seq[middle] < seq) low = middle + 1;
      else high = middle;
    }
    return low < before && this.seq[low] === seq ? low : -1;
  }

  indexEffects() {
    const n = this.count, starts = new Uint32Array(n + 1);
    for (let i = 0; i < n; i++) if (this.cause[i] >= 0) starts[this.cause[i] + 1]++;
    for (let i = 0; i < n; i++) starts[i + 1] += starts[i];
    const effects = new Uint32Array(starts[n]), next = starts.slice();
    for (let i = 0; i < n; i++) if (this.cause[i] >= 0) effects[next[this.cause[i]]++] = i;
    this.effectStarts = starts;
    this.effectList = effects;
  }

  effects(i) {
    return this.effectList.subarray(this.effectStarts[i], this.effectStarts[i + 1]);
  }

  // The event that ends what this one began; -1 where none does.  Of two, the first says that the caller is blocked.
  closer(i) {
    const effects = this.effects(i);
    for (let at = effects.length - 1; at >= 0; at--) if (this.closes[this.kind[effects[at]]] === this.kind[i]) return effects[at];
    return -1;
  }

  buildLanes() {
    const found = new Map();
    for (let i = 0; i < this.count; i++) {
      if (!this.vms[this.vm[i]] && this.vcpu[i] < 0) continue; // the machine's own
      const key = this.vm[i] * 4096 + this.vcpu[i] + 1;
      let lane = found.get(key);
      if (!lane) found.set(key, (lane = { key, vm: this.vm[i], vcpu: this.vcpu[i], events: [] }));
      lane.events.push(i);
    }
    for (const vm of new Set([...found.values()].map((lane) => lane.vm))) {
      if (!found.has(vm * 4096)) found.set(vm * 4096, { key: vm * 4096, vm, vcpu: -1, events: [] });
    }
    this.lanes = [...found.values()].sort((a, b) => a.key - b.key);
    this.laneOf = new Int32Array(this.count).fill(-1);
    const exits = new Map();
    this.lanes.forEach((lane, index) => {
      lane.index = index;
      lane.events = Uint32Array.from(lane.events);
      for (const i of lane.events) {
        this.laneOf[i] = index;
        if (this.kinds[this.kind[i]].name === "exit") exits.set(lane.vm, i);
      }
    });
    for (const lane of this.lanes) {
      lane.handlers = [];
      lane.states = [];
      if (lane.vcpu >= 0) this.fillLane(lane, exits.get(lane.vm) ?? this.count - 1);
    }
  }

  // Handlers (from acknowledgement to end) and states of a vCPU, as [first event, last event, depth or state].
  fillLane(lane, end) {
    let state = 0, since = lane.events[0], active = [];
    const change = (i, next) => {
      if (state && i > since) lane.states.push([since, i, state]);
      state = next;
      since = i;
    };
    const first = lane.events.find((i) => STATES.has(this.kinds[this.kind[i]].name));
    const firstName = first === undefined ? "" : this.kinds[this.kind[first]].name;
    if (firstName !== "vcpu_on") {
      since = 0; // what came before is not in the report
      state = firstName === "wake" ? WAITING : RUNNING;
    }
    for (const i of lane.events) {
      const name = this.kinds[this.kind[i]].name;
      if (name === "wait") change(i, WAITING);
      else if (name === "wake" || name === "vcpu_on") change(i, RUNNING);
      else if (name === "vcpu_off") change(i, 0);
      else if (name !== "irq_acknowledged") {
        const closer = this.isOpener[this.kind[i]] ? this.closer(i) : -1;
        if (closer < 0 || this.time[closer] === this.time[i]) continue; // else its vCPU was blocked until then
        change(i, BLOCKED);
        change(closer, RUNNING);
      } else {
        const closer = this.closer(i);
        active = active.filter((last) => last > i);
        lane.handlers.push([i, closer < 0 ? Math.max(end, i) : closer, Math.min(active.length, 3)]);
        active.push(closer < 0 ? end : closer);
      }
    }
    change(Math.max(end, since), 0);
  }

  // The nearest cause that is a vCPU's own event: objects and machines in between are passed over.
  actor(i) {
    for (let at = this.cause[i]; at >= 0; at = this.cause[at]) if (this.vcpu[at] >= 0) return at;
    return -1;
  }

  // From a vCPU's event to another vCPU's: what a timeline is for.
  buildArrows() {
    const from = [], to = [];
    for (let i = 0; i < this.count; i++) {
      if (this.cause[i] < 0 || this.vcpu[i] < 0) continue;
      const actor = this.actor(i);
      if (actor >= 0 && this.laneOf[actor] !== this.laneOf[i]) {
        from.push(actor);
        to.push(i);
      }
    }
    this.arrowFrom = Uint32Array.from(from);
    this.arrowTo = Uint32Array.from(to);
    this.arrowsByFrom = Uint32Array.from(from.keys()).sort((a, b) => from[a] - from[b]);
  }

  kindOf(i) {
    return this.kinds[this.kind[i]];
  }

  label(i) {
    return this.pool[this.what[i]][1];
  }

  pairs(i) {
    return this.pool[this.what[i]][2];
  }

  place(i) {
    const vm = this.vms[this.vm[i]] || "machine";
    return this.vcpu[i] < 0 ? vm : `${vm} · vCPU ${this.vcpu[i]}`;
  }

  // From the event back to the outside world.
  chain(i) {
    const chain = [];
    for (let at = i; at >= 0 && chain.length < 64; at = this.cause[at]) chain.push(at);
    return chain;
  }

  line(what) {
    const [kind, label, pairs] = this.pool[what];
    const said = label.split(", "), isSaid = (text) => said.some((part) => text === part || text.endsWith(`(${part})`));
    const rest = pairs.filter(([, text]) => !isSaid(text)).map(([name, text]) => `${name}=${text}`);
    const head = label === this.kinds[kind].name ? "" : label;
    return [head, ...rest].filter(Boolean).join("  ");
  }

  // Lower-case words of each distinct event, made when somebody searches.
  searchText(what) {
    this.searchTexts ??= this.pool.map((entry, index) => `${this.kinds[entry[0]].name} ${this.line(index)}`.toLowerCase());
    return this.searchTexts[what];
  }
}

function timeText(ns) {
  const whole = Math.floor(ns / 1000);
  return `${whole.toLocaleString("en-US")}.${String(Math.round(ns - whole * 1000)).padStart(3, "0")} µs`;
}

function spanText(ns) {
  for (const [unit, size] of [["s", 1e9], ["ms", 1e6], ["µs", 1e3]]) {
    if (Math.abs(ns) >= size) return `${+(ns / size).toPrecision(4)} ${unit}`;
  }
  return `${Math.round(ns)} ns`;
}
