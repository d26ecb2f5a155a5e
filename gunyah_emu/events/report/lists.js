// The table of events with its filters, and the consoles side by side.

class EventTable {
  constructor(model, view) {
    Object.assign(this, { model, view });
    this.shown = Uint32Array.from({ length: model.count }, (_, i) => i);
    this.element = document.getElementById("events");
    this.list = new List(this.element, (row, index) => this.render(row, index), (index) => view.select(this.shown[index], true));
    this.text = document.getElementById("filter");
    this.vm = document.getElementById("vm");
    this.kind = document.getElementById("kind");
    model.vms.forEach((name, index) => name && this.vm.add(new Option(name, index)));
    const used = new Set(model.kind);
    model.kinds.forEach((kind, index) => used.has(index) && this.kind.add(new Option(kind.name, index)));
    for (const input of [this.text, this.vm, this.kind]) input.addEventListener("input", () => this.filter());
    view.listeners.push((i) => this.mark(i));
    this.filter();
  }

  filter() {
    const { model } = this, words = this.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const vm = this.vm.value, kind = this.kind.value, number = /^#?\d+$/.test(words[0] ?? "") ? Number(words[0].replace("#", "")) : -1;
    const matches = words.length ? Uint8Array.from(model.pool, (_, what) => words.every((word) => model.searchText(what).includes(word))) : null;
    const shown = [];
    for (let i = 0; i < model.count; i++) {
      if (vm !== "" && model.vm[i] !== Number(vm)) continue;
      if (kind !== "" && model.kind[i] !== Number(kind)) continue;
      if (matches && !matches[model.what[i]] && model.seq[i] !== number) continue;
      shown.push(i);
    }
    this.shown = Uint32Array.from(shown);
    this.list.fill(shown.length);
    const all = model.count.toLocaleString("en-US"), some = shown.length.toLocaleString("en-US");
    document.getElementById("count").textContent = shown.length === model.count ? `${all} events` : `${some} of ${all} events`;
    this.mark(this.view.selected);
  }

  mark(i) {
    const index = i < 0 ? -1 : lowerBound(this.shown, i);
    this.list.mark(this.shown[index] === i ? index : -1);
  }

  render(row, index) {
    const { model } = this, i = this.shown[index];
    const vcpu = model.vcpu[i] < 0 ? "" : model.vcpu[i], cause = model.causeSeq[i] ? `#${model.causeSeq[i]}` : "";
    cells(row, [`#${model.seq[i]}`, timeText(model.time[i]), model.vms[model.vm[i]], vcpu, model.kindOf(i).name, model.line(model.what[i]), cause]);
    row.classList.toggle("problem", model.isProblem[model.kind[i]]);
  }
}

// Control characters as their pictures: a terminal's commands are seen and do nothing.
function visible(text) {
  return text.replace(/[\x00-\x08\x0b-\x1f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)));
}

class Consoles {
  constructor(model, view) {
    Object.assign(this, { model, view, panes: [] });
    const lines = new Map(), holder = document.getElementById("consoles");
    for (let i = 0; i < model.count; i++) {
      if (model.kindOf(i).name !== "console") continue;
      if (!lines.has(model.vm[i])) lines.set(model.vm[i], []);
      lines.get(model.vm[i]).push(i);
    }
    this.count = lines.size;
    for (const vm of [...lines.keys()].sort((a, b) => a - b)) this.add(holder, vm, Uint32Array.from(lines.get(vm)));
    if (!this.count) holder.appendChild(document.createElement("p")).textContent = "Nothing was printed.";
    view.listeners.push((i) => this.mark(i));
  }

  add(holder, vm, lines) {
    const { model, view } = this, pane = holder.appendChild(document.createElement("section"));
    pane.appendChild(document.createElement("h3")).textContent = model.vms[vm];
    const box = pane.appendChild(document.createElement("div"));
    box.className = "list console";
    box.setAttribute("role", "grid");
    box.setAttribute("aria-label", `console of ${model.vms[vm]}`);
    const list = new List(box, (row, index) => {
      const i = lines[index];
      cells(row, [timeText(model.time[i]), visible(model.label(i).replace(/[\r\n]+$/, ""))]);
      row.title = "show this moment on the timeline";
    }, (index) => view.select(lines[index], true));
    list.fill(lines.length);
    this.panes.push({ list, lines });
  }

  // Every console shows what it said last by then; only a line that is chosen itself is marked.
  mark(i) {
    for (const { list, lines } of this.panes) {
      const index = i < 0 ? -1 : lowerBound(lines, i);
      const isLine = lines[index] === i;
      list.mark(isLine ? index : -1, isLine);
      if (i >= 0 && !isLine && index > 0) list.element.scrollTop = Math.max(0, index * ROW - list.element.clientHeight / 2);
    }
  }
}
