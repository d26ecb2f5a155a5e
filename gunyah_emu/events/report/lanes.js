// The swim lanes: a strip for each VM's objects and console, a lane for each vCPU, arrows from cause to effect.

const STRIP = 24, LANE = 64, GAP = 8;
const CALL_Y = 22, STATE_Y = 32, IRQ_Y = 42; // within a lane: marks of calls, the line of states, marks of interrupts
const MANY_ARROWS = 600;

class Lanes {
  constructor(model, view, canvas, scroller) {
    Object.assign(this, { model, view, canvas, scroller });
    this.context = canvas.getContext("2d");
    this.widths = new Map();
    let y = 4, vm = -1;
    for (const lane of model.lanes) {
      if (lane.vm !== vm && vm >= 0) y += GAP;
      vm = lane.vm;
      lane.y = y;
      lane.height = lane.vcpu < 0 ? STRIP : LANE;
      y += lane.height;
    }
    this.total = y + 6;
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    const width = this.scroller.clientWidth, height = Math.max(this.scroller.clientHeight, 1);
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.view.width = width;
    this.height = height;
    this.hatch = null;
  }

  colours() {
    const style = getComputedStyle(document.documentElement);
    const names = ["text", "muted", "faint", "panel", "strip", "call", "irq", "state", "console", "problem", "arrow", "select"];
    this.colour = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    this.hatch = null;
  }

  waiting() {
    if (!this.hatch) {
      const tile = new OffscreenCanvas(6, 6), pen = tile.getContext("2d");
      pen.strokeStyle = this.colour.faint;
      pen.lineWidth = 1;
      pen.beginPath();
      for (const shift of [-6, 0, 6]) {
        pen.moveTo(shift, 6);
        pen.lineTo(shift + 6, 0);
      }
      pen.stroke();
      this.hatch = this.context.createPattern(tile, "repeat");
    }
    return this.hatch;
  }

  textWidth(text) {
    let width = this.widths.get(text);
    if (width === undefined) {
      if (this.widths.size > 5000) this.widths.clear();
      this.widths.set(text, (width = this.context.measureText(text).width));
    }
    return width;
  }

  draw() {
    const { context, view, model } = this;
    if (!this.colour) this.colours();
    const top = this.scroller.scrollTop;
    context.clearRect(0, 0, view.width, this.height);
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "alphabetic";
    this.low = view.indexAt(view.lo);
    this.high = view.indexAt(view.hi);
    context.save();
    context.translate(0, -top);
    for (const lane of model.lanes) {
      if (lane.y + lane.height < top || lane.y > top + this.height) continue;
      this.drawBackground(lane);
    }
    context.save();
    context.beginPath();
    context.rect(GUTTER, top, view.plotWidth, this.height);
    context.clip();
    for (const lane of model.lanes) {
      if (lane.y + lane.height < top || lane.y > top + this.height) continue;
      if (lane.vcpu >= 0) {
        this.drawStates(lane);
        this.drawHandlers(lane);
      }
    }
    this.drawArrows(top);
    for (const lane of model.lanes) {
      if (lane.y + lane.height >= top && lane.y <= top + this.height) this.drawMarks(lane);
    }
    this.drawChain();
    context.restore();
    context.restore();
  }

  drawBackground(lane) {
    const { context, view, model, colour } = this;
    context.fillStyle = lane.vcpu < 0 ? colour.strip : colour.panel;
    context.fillRect(0, lane.y, view.width, lane.height - (lane.vcpu < 0 ? 0 : 2));
    context.fillStyle = lane.vcpu < 0 ? colour.text : colour.muted;
    context.font = lane.vcpu < 0 ? "600 13px system-ui, sans-serif" : "11px system-ui, sans-serif";
    const text = lane.vcpu < 0 ? model.vms[lane.vm] || "machine" : `vCPU ${lane.vcpu}`;
    context.fillText(this.fitted(text, GUTTER - 20), lane.vcpu < 0 ? 10 : 20, lane.y + (lane.vcpu < 0 ? 16 : 36));
    context.font = "11px system-ui, sans-serif";
  }

  fitted(text, width) {
    if (this.context.measureText(text).width <= width) return text;
    let low = 0, high = Math.min(text.length, 200);
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.context.measureText(`${text.slice(0, middle)}…`).width <= width) low = middle;
      else high = middle - 1;
    }
    return `${text.slice(0, low)}…`;
  }

  drawStates(lane) {
    const { context, view, colour } = this;
    const y = lane.y + STATE_Y;
    let index = lowerBound(lane.states, this.low, (state) => state[1]), drawn = -1;
    for (; index < lane.states.length; index++) {
      const [from, to, state] = lane.states[index];
      if (from > this.high) break;
      const left = Math.max(view.x(from), GUTTER), right = Math.min(view.x(to), view.width);
      if (right - drawn < 0.7) continue; // what is narrower than a pixel is drawn with what comes next
      const start = Math.max(left, drawn);
      if (state === BLOCKED) {
        context.fillStyle = colour.call;
        context.globalAlpha = 0.18;
        context.fillRect(start, lane.y + 3, right - start, LANE - 8);
        context.globalAlpha = 1;
        context.fillRect(start, y - 1, right - start, 1);
      } else if (state === WAITING) {
        context.fillStyle = this.waiting();
        context.fillRect(start, lane.y + 3, right - start, LANE - 8);
      } else {
        context.fillStyle = colour.state;
        context.fillRect(start, lane.y + 3, Math.max(right - start, 0.7), LANE - 8);
        context.fillRect(start, y - 1, Math.max(right - start, 0.7), 2);
      }
      drawn = right;
    }
  }

  drawHandlers(lane) {
    const { context, view, colour } = this;
    let index = lowerBound(lane.handlers, this.low, (handler) => handler[0]);
    while (index > 0 && index > lowerBound(lane.handlers, this.low) - 4 && lane.handlers[index - 1][1] >= this.low) index--;
    let drawn = -1;
    context.fillStyle = colour.irq;
    for (; index < lane.handlers.length; index++) {
      const [from, to, depth] = lane.handlers[index];
      if (from > this.high) break;
      const left = view.x(from), right = Math.max(view.x(to), left + 3);
      if (right - drawn < 0.7) continue;
      context.globalAlpha = 0.85;
      context.fillRect(Math.max(left, GUTTER - 2), lane.y + IRQ_Y - 5 + depth * 2, Math.min(right, view.width + 2) - Math.max(left, GUTTER - 2), 10 - depth * 2);
      context.globalAlpha = 1;
      drawn = right;
    }
  }

  rowY(lane, row) {
    if (lane.vcpu < 0) return lane.y + STRIP / 2;
    return lane.y + (row === ROW_CALL ? CALL_Y : row === ROW_IRQ ? IRQ_Y : STATE_Y);
  }

  anchor(i) {
    const lane = this.model.lanes[this.model.laneOf[i]];
    return lane && { x: this.view.x(i), y: this.rowY(lane, this.model.row[this.model.kind[i]]) };
  }

  // One mark every other pixel of a row is enough; problems are always drawn, and labels where there is room.
  drawMarks(lane) {
    const { model, view } = this, events = lane.events;
    const drawn = [-9, -9, -9], labelled = [GUTTER - 4, GUTTER - 4, GUTTER - 4];
    const end = lowerBound(events, this.high + 1);
    for (let at = lowerBound(events, this.low - 1); at < end; at++) {
      const i = events[at], kind = model.kind[i], row = lane.vcpu < 0 ? ROW_CALL : model.row[kind];
      if (model.closes[kind] >= 0 || row === ROW_STATE) continue;
      const x = view.x(i), isProblem = model.isProblem[kind];
      if (x >= labelled[row] + 14 && this.wantsLabel(lane, i)) {
        const isStrip = lane.vcpu < 0; // where marks and labels share a row
        const before = isStrip && at > 0 ? view.x(events[at - 1]) + 8 : 0;
        const room = isStrip && at + 1 < events.length ? view.x(events[at + 1]) - x - 8 : Infinity;
        labelled[row] = this.drawLabel(lane, i, x, row, Math.max(labelled[row], before), room);
      }
      if (x - drawn[row] < 2 && !isProblem && i !== view.selected) continue;
      drawn[row] = x;
      this.drawMark(lane, i, x, row);
    }
  }

  wantsLabel(lane, i) {
    const { name } = this.model.kindOf(i);
    if (lane.vcpu < 0) return true;
    return name !== "irq_dropped" && !(name === "irq_pending" && this.isTaken(i));
  }

  // Its handler says which interrupt it is.
  isTaken(i) {
    return this.model.effects(i).some((effect) => this.model.kindOf(effect).name === "irq_acknowledged");
  }

  // Right of its mark, or left of it where it would leave the page; returns where it ends.
  drawLabel(lane, i, x, row, taken, room) {
    const { context, model, view, colour } = this, isStrip = lane.vcpu < 0;
    if (room < 30) return taken;
    const text = this.textWidth(this.short(i)) > room ? this.fitted(this.short(i), room) : this.short(i);
    const width = this.textWidth(text);
    let left = isStrip ? x + 7 : x - 4;
    if (left + width > view.width - 2) left = isStrip ? x - 7 - width : x + 4 - width;
    if (left < taken && left !== x + 7) return taken;
    context.fillStyle = isStrip ? colour.muted : row === ROW_CALL ? colour.call : colour.irq;
    if (model.isProblem[model.kind[i]]) context.fillStyle = colour.problem;
    context.fillText(text, left, lane.y + (isStrip ? 16 : row === ROW_CALL ? 12 : 60));
    return Math.max(left + width, x);
  }

  short(i) {
    const text = this.model.label(i);
    return text.length > 40 ? `${text.slice(0, 39)}…` : text;
  }

  drawMark(lane, i, x, row) {
    const { context, model, view, colour } = this, { name } = model.kindOf(i), y = this.rowY(lane, row);
    if (model.isProblem[model.kind[i]]) return this.shape(colour.problem, [[x - 4, y - 4], [x + 4, y + 4]], [[x - 4, y + 4], [x + 4, y - 4]]);
    if (name === "console") {
      context.fillStyle = colour.console;
      context.fillRect(x, lane.y + 5, 2, STRIP - 10);
      return undefined;
    }
    if (name === "irq_pending" || name === "irq_blocked") {
      const radius = name === "irq_blocked" ? 6 : 4, slash = radius * 0.7;
      context.strokeStyle = colour.irq;
      context.lineWidth = 1.5;
      context.beginPath();
      context.arc(x, y, radius, 0, 7);
      if (name === "irq_blocked") this.path([[x - slash, y + slash], [x + slash, y - slash]]);
      context.stroke();
      return undefined;
    }
    if (name === "irq_dropped") return this.shape(colour.muted, [[x - 3, y - 3], [x + 3, y + 3]], [[x - 3, y + 3], [x + 3, y - 3]]);
    if (row === ROW_IRQ) return undefined; // a handler is a bar
    context.fillStyle = lane.vcpu < 0 ? colour.muted : colour.call;
    const closer = model.closer(i), right = closer < 0 ? x : view.x(closer);
    if (right - x > 5) context.fillRect(x, y - 4, right - x, 8);
    context.beginPath();
    if (lane.vcpu < 0) this.path([[x, y - 4], [x + 4, y], [x, y + 4], [x - 4, y]]);
    else this.path([[x - 4.5, y - 5], [x + 4.5, y - 5], [x, y + 5]]);
    context.fill();
    return undefined;
  }

  path(points) {
    points.forEach(([x, y], index) => (index ? this.context.lineTo(x, y) : this.context.moveTo(x, y)));
  }

  shape(colour, ...strokes) {
    const { context } = this;
    context.strokeStyle = colour;
    context.lineWidth = 2;
    context.beginPath();
    for (const stroke of strokes) this.path(stroke);
    context.stroke();
  }

  visibleArrows() {
    const { model } = this, found = [];
    const { arrowTo, arrowFrom, arrowsByFrom } = model;
    for (let at = lowerBound(arrowTo, this.low); at < arrowTo.length && arrowTo[at] <= this.high; at++) found.push(at);
    const start = lowerBound(arrowsByFrom, this.low, (at) => arrowFrom[at]);
    for (let at = start; at < arrowsByFrom.length && arrowFrom[arrowsByFrom[at]] < this.high; at++) {
      if (arrowTo[arrowsByFrom[at]] > this.high) found.push(arrowsByFrom[at]);
    }
    return found;
  }

  drawArrows(top) {
    const { context, model, colour } = this, arrows = this.visibleArrows();
    context.strokeStyle = context.fillStyle = colour.arrow;
    if (arrows.length > MANY_ARROWS) return this.drawManyArrows(arrows);
    context.globalAlpha = 0.9;
    context.lineWidth = 1.5;
    for (const at of arrows) {
      const start = this.anchor(model.arrowFrom[at]), end = this.anchor(model.arrowTo[at]);
      if (Math.max(start.y, end.y) >= top && Math.min(start.y, end.y) <= top + this.height) this.arrow(start, end);
    }
    context.globalAlpha = 1;
    return undefined;
  }

  // Where single arrows could not be told apart, a line in each column says between which lanes they are.
  drawManyArrows(arrows) {
    const { context, model, view } = this, width = Math.ceil(view.width) + 1;
    const tops = new Float64Array(width).fill(Infinity), bottoms = new Float64Array(width).fill(-Infinity);
    for (const at of arrows) {
      const column = Math.round(view.x(model.arrowTo[at]));
      if (column < 0 || column >= width) continue;
      for (const i of [model.arrowFrom[at], model.arrowTo[at]]) {
        const y = this.rowY(model.lanes[model.laneOf[i]], model.row[model.kind[i]]);
        if (y < tops[column]) tops[column] = y;
        if (y > bottoms[column]) bottoms[column] = y;
      }
    }
    context.globalAlpha = 0.25;
    for (let x = 0; x < width; x++) if (bottoms[x] > tops[x]) context.fillRect(x, tops[x], 1, bottoms[x] - tops[x]);
    context.globalAlpha = 1;
  }

  arrow(start, end) {
    const { context } = this, down = end.y >= start.y ? 1 : -1;
    const y0 = start.y + 5 * down, y1 = end.y - 5 * down, bend = Math.min(Math.abs(y1 - y0) / 2, 40) * down;
    context.beginPath();
    context.moveTo(start.x, y0);
    context.bezierCurveTo(start.x, y0 + bend, end.x, y1 - bend, end.x, y1 - 4 * down);
    context.stroke();
    context.beginPath();
    this.path([[end.x, y1 + down], [end.x - 4, y1 - 7 * down], [end.x + 4, y1 - 7 * down]]);
    context.fill();
  }

  // The selected event, what led to it, and what it led to.
  drawChain() {
    const { context, model, view, colour } = this;
    if (view.selected < 0) return;
    context.strokeStyle = context.fillStyle = colour.select;
    context.lineWidth = 2.5;
    const links = model.chain(view.selected).map((i) => [model.cause[i], i]);
    for (const effect of model.effects(view.selected).subarray(0, 200)) links.push([view.selected, effect]);
    for (const [from, to] of links) {
      if (from < 0 || model.laneOf[from] < 0 || model.laneOf[to] < 0) continue;
      if (model.laneOf[from] !== model.laneOf[to]) this.arrow(this.anchor(from), this.anchor(to));
      else this.shape(colour.select, [Object.values(this.anchor(from)), Object.values(this.anchor(to))]);
    }
    const place = this.anchor(view.selected);
    if (!place) return;
    context.beginPath();
    context.arc(place.x, place.y, 9, 0, 7);
    context.stroke();
  }

  laneAt(y) {
    return this.model.lanes.find((lane) => y >= lane.y && y < lane.y + lane.height);
  }

  // What a person means who points here: the nearest mark, else what is going on here; -1: nothing.
  hit(x, y) {
    const { model, view } = this, lane = this.laneAt(y + this.scroller.scrollTop);
    if (!lane || x < GUTTER) return -1;
    const inside = y + this.scroller.scrollTop - lane.y;
    const wanted = lane.vcpu < 0 ? -1 : inside < STATE_Y - 4 ? ROW_CALL : inside > STATE_Y + 1 ? ROW_IRQ : ROW_STATE;
    let best = -1, nearest = 9;
    const last = view.indexAt(view.position(x + 9));
    for (let at = lowerBound(lane.events, view.indexAt(view.position(x - 9))); at < lane.events.length; at++) {
      const i = lane.events[at];
      if (i > last) break;
      let distance = Math.abs(view.x(i) - x);
      if (wanted >= 0 && model.row[model.kind[i]] !== wanted) distance += 4;
      if (model.closes[model.kind[i]] >= 0) distance += 2;
      if (distance < nearest) [best, nearest] = [i, distance];
    }
    if (best >= 0 || lane.vcpu < 0) return best;
    const here = view.position(x), around = (span) => view.at(span[0]) <= here && here <= view.at(span[1]);
    const handler = wanted === ROW_IRQ ? lane.handlers.findLast(around) : undefined;
    const span = handler ?? lane.states.find(around);
    return span ? span[0] : -1;
  }
}
