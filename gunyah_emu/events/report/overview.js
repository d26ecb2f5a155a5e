// The whole run in one strip, with the window that is shown; and the axis below it.

class Overview {
  constructor(model, view, canvas) {
    Object.assign(this, { model, view, canvas });
    this.context = canvas.getContext("2d");
    canvas.addEventListener("pointerdown", (event) => this.grab(event));
  }

  grab(event) {
    const { view, canvas } = this;
    const place = (x) => {
      const [first, last] = view.bounds;
      return first + ((x - canvas.getBoundingClientRect().left - GUTTER) / view.plotWidth) * (last - first);
    };
    const begin = place(event.clientX), width = view.hi - view.lo;
    const isInside = begin > view.lo && begin < view.hi && event.offsetY < 28;
    canvas.setPointerCapture(event.pointerId);
    canvas.onpointermove = (move) => {
      const now = place(move.clientX);
      if (isInside) view.show(now - width / 2, now + width / 2);
      else if (Math.abs(move.clientX - event.clientX) > 3) view.show(Math.min(begin, now), Math.max(begin, now));
    };
    canvas.onpointerup = (up) => {
      canvas.onpointermove = canvas.onpointerup = null;
      if (Math.abs(up.clientX - event.clientX) <= 3 && !isInside) view.show(begin - width / 2, begin + width / 2);
    };
  }

  resize() {
    const ratio = window.devicePixelRatio || 1, width = this.canvas.clientWidth;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(50 * ratio);
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.counts = null;
  }

  // How many events fall into each pixel of the strip.
  histogram(width) {
    const { model, view } = this, [first, last] = view.bounds;
    if (this.counts?.length === width && this.scale === view.scale) return this.counts;
    this.scale = view.scale;
    this.counts = new Float64Array(width);
    for (let i = 0; i < model.count; i++) {
      const bin = Math.floor(((view.at(i) - first) / (last - first)) * width);
      this.counts[Math.min(Math.max(bin, 0), width - 1)]++;
    }
    return this.counts;
  }

  draw(colour) {
    const { context, view } = this, width = Math.floor(view.plotWidth);
    context.clearRect(0, 0, view.width, 50);
    const counts = this.histogram(width), top = Math.log1p(counts.reduce((a, b) => Math.max(a, b), 1));
    context.fillStyle = colour.muted;
    context.font = "11px system-ui, sans-serif";
    context.fillText("whole run", 10, 18);
    for (let x = 0; x < width; x++) {
      if (!counts[x]) continue;
      const height = 2 + (Math.log1p(counts[x]) / top) * 20;
      context.fillRect(GUTTER + x, 27 - height, 1, height);
    }
    const [first, last] = view.bounds, of = (p) => GUTTER + ((p - first) / (last - first)) * width;
    const left = of(view.lo), right = Math.max(of(view.hi), left + 3);
    context.strokeStyle = colour.select;
    context.lineWidth = 2;
    context.strokeRect(left, 2, right - left, 26);
    this.axis(colour, width);
  }

  axis(colour, width) {
    const { context, view, model } = this, span = view.hi - view.lo;
    let step = 10 ** Math.floor(Math.log10((span / width) * 110));
    while ((step / span) * width < 110) step *= step.toPrecision(1)[0] === "2" ? 2.5 : 2;
    if (view.scale === "order") step = Math.max(1, Math.round(step));
    context.fillStyle = colour.muted;
    context.fillText(view.scale === "time" ? "virtual time" : "event number", 10, 45);
    for (let tick = Math.ceil(view.lo / step) * step; tick <= view.hi; tick += step) {
      const x = GUTTER + ((tick - view.lo) / span) * width;
      context.fillRect(x, 36, 1, 4);
      let text = tick < -step / 2 ? "" : this.timeLabel(tick, step);
      if (view.scale === "order") text = model.seq[tick] === undefined ? "" : `#${model.seq[tick]}`;
      context.fillText(text, x + 3, 46);
    }
  }

  timeLabel(time, step) {
    const ns = Math.abs(time) < step / 2 ? 0 : time;
    const [unit, size] = step >= 1e8 ? ["s", 1e9] : step >= 1e5 ? ["ms", 1e6] : step >= 100 ? ["µs", 1e3] : ["ns", 1];
    const digits = Math.max(0, Math.ceil(-Math.log10(step / size) - 1e-9));
    return `${(ns / size).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })} ${unit}`;
  }
}
