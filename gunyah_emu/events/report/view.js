// Which part of the run is shown, and at which scale; every change asks for one drawing.

const GUTTER = 132;

class View {
  constructor(model) {
    this.model = model;
    this.scale = "time";
    this.width = 800;
    this.listeners = [];
    this.selected = -1;
    this.hovered = -1;
    this.dirty = false;
    this.fit();
  }

  // An event's place on the axis.
  at(i) {
    return this.scale === "time" ? this.model.time[i] : i;
  }

  get bounds() {
    const { model } = this;
    if (!model.count) return [0, 1];
    const first = this.at(0), last = Math.max(this.at(model.count - 1), first + 1);
    const margin = (last - first) * 0.02;
    return [first - margin, last + 3 * margin]; // room for the last labels
  }

  get narrowest() {
    return this.scale === "time" ? 20 : 6;
  }

  fit() {
    [this.lo, this.hi] = this.bounds;
    this.changed();
  }

  show(lo, hi) {
    const [first, last] = this.bounds;
    let width = Math.min(Math.max(hi - lo, this.narrowest), last - first);
    let low = (lo + hi) / 2 - width / 2;
    low = Math.min(Math.max(low, first), last - width);
    this.lo = low;
    this.hi = low + width;
    this.changed();
  }

  zoom(factor, x = (GUTTER + this.width) / 2) {
    const centre = this.position(x), [first, last] = this.bounds;
    const width = Math.min(Math.max((this.hi - this.lo) * factor, this.narrowest), last - first);
    const share = (centre - this.lo) / (this.hi - this.lo);
    this.show(centre - share * width, centre + (1 - share) * width);
  }

  pan(pixels) {
    const step = (pixels / this.plotWidth) * (this.hi - this.lo);
    this.show(this.lo + step, this.hi + step);
  }

  // Bring events into view, zooming only as far as needed to tell them apart.
  reveal(events) {
    const places = events.filter((i) => i >= 0).map((i) => this.at(i));
    if (!places.length) return;
    const first = Math.min(...places), last = Math.max(...places), width = this.hi - this.lo;
    if (first >= this.lo && last <= this.hi && (last - first > width / 50 || last === first)) return;
    if (last - first > width || (last > first && last - first <= width / 50)) {
      const margin = Math.max((last - first) * 0.6, this.narrowest / 2);
      this.show(first - margin, last + margin);
    } else {
      this.show((first + last) / 2 - width / 2, (first + last) / 2 + width / 2);
    }
  }

  setScale(scale) {
    if (scale === this.scale) return;
    const { model } = this;
    const first = Math.min(this.indexAt(this.lo), model.count - 1), last = Math.max(this.indexAt(this.hi) - 1, first);
    const whole = this.lo <= this.bounds[0] && this.hi >= this.bounds[1];
    this.scale = scale;
    if (whole || !model.count) return this.fit();
    this.show(this.at(first), Math.max(this.at(last), this.at(first) + this.narrowest));
  }

  // The first event that is not before a place of the axis.
  indexAt(position) {
    if (this.scale === "order") return Math.min(Math.max(Math.ceil(position), 0), this.model.count);
    return lowerBound(this.model.time, position);
  }

  get plotWidth() {
    return Math.max(this.width - GUTTER, 1);
  }

  x(i) {
    return GUTTER + ((this.at(i) - this.lo) / (this.hi - this.lo)) * this.plotWidth;
  }

  position(x) {
    return this.lo + ((x - GUTTER) / this.plotWidth) * (this.hi - this.lo);
  }

  select(i, reveal = false) {
    this.selected = i;
    if (reveal && i >= 0) this.reveal([i]);
    for (const listener of this.listeners) listener(i);
    this.changed();
  }

  changed() {
    if (this.dirty || !this.draw) return;
    this.dirty = true;
    requestAnimationFrame(() => {
      this.dirty = false;
      this.draw();
    });
  }
}
