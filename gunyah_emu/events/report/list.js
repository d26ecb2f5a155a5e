// A list of any length in which only the rows that are seen exist.

const ROW = 22;
const TALLEST = 15_000_000; // browsers draw no element that is much higher

class List {
  // render(row element, index): fills a row; chosen(index): a person chose it.
  constructor(element, render, chosen) {
    Object.assign(this, { element, render, chosen, count: 0, current: -1 });
    this.spacer = element.appendChild(document.createElement("div"));
    this.spacer.className = "spacer";
    this.rows = [];
    element.tabIndex = 0;
    element.addEventListener("scroll", () => this.draw());
    element.addEventListener("click", (event) => {
      const row = event.target.closest(".row");
      if (row && row.index < this.count) chosen(row.index);
    });
    element.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(element);
  }

  key(event) {
    const page = Math.max(1, Math.floor(this.element.clientHeight / ROW) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (!(event.key in steps) || !this.count) return;
    event.preventDefault();
    event.stopPropagation();
    this.chosen(Math.min(Math.max(Math.max(this.current, 0) + steps[event.key], 0), this.count - 1));
  }

  fill(count) {
    this.count = count;
    this.current = -1;
    this.spacer.style.height = `${Math.min(count * ROW, TALLEST)}px`;
    this.draw();
  }

  get squeeze() {
    return Math.max(1, (this.count * ROW) / TALLEST);
  }

  mark(index, scroll = true) {
    this.current = index;
    if (scroll && index >= 0) {
      const top = (index * ROW) / this.squeeze, { scrollTop, clientHeight } = this.element;
      if (top < scrollTop || top > scrollTop + clientHeight - 2 * ROW) this.element.scrollTop = top - clientHeight / 2;
    }
    this.draw();
  }

  draw(limit = 0) {
    const { element } = this;
    const first = limit ? 0 : Math.max(0, Math.floor((element.scrollTop * this.squeeze) / ROW));
    const needed = Math.min(limit || Math.ceil(element.clientHeight / ROW) + 1, this.count - first);
    while (this.rows.length < needed) {
      const row = this.spacer.appendChild(document.createElement("div"));
      row.setAttribute("role", "row");
      this.rows.push(row);
    }
    this.rows.forEach((row, at) => {
      row.hidden = at >= needed;
      if (row.hidden) return;
      row.index = first + at;
      row.className = "row";
      row.style.transform = `translateY(${this.squeeze > 1 ? element.scrollTop + at * ROW : row.index * ROW}px)`;
      row.setAttribute("aria-rowindex", row.index + 1);
      row.setAttribute("aria-selected", row.index === this.current);
      this.render(row, row.index);
    });
    element.setAttribute("aria-rowcount", this.count);
  }
}

function cells(row, texts) {
  while (row.children.length < texts.length) row.appendChild(document.createElement("span")).setAttribute("role", "gridcell");
  texts.forEach((text, index) => (row.children[index].textContent = text));
}
