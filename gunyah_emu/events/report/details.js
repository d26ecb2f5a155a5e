// What is known of the selected event: its fields, why it happened, what it led to.

class Details {
  constructor(model, view) {
    Object.assign(this, { model, view });
    this.element = document.getElementById("details");
    this.legend = document.getElementById("legend");
    this.live = document.getElementById("live");
    view.listeners.push((i) => this.show(i));
  }

  make(tag, text, parent = this.body) {
    const element = parent.appendChild(document.createElement(tag));
    if (text !== undefined) element.textContent = text;
    return element;
  }

  show(i) {
    this.legend.hidden = i >= 0;
    this.element.replaceChildren();
    this.body = this.element;
    if (i < 0) return;
    const { model } = this, kind = model.kindOf(i), label = model.label(i);
    this.make("h2", label === kind.name ? kind.name : `${kind.name}: ${label}`);
    this.make("p", `#${model.seq[i]} · ${model.place(i)} · ${timeText(model.time[i])}`).className = "where";
    this.story(i);
    this.fields(i);
    this.causes(i);
    this.effects(i);
    this.make("p", kind.about.replaceAll("`", "")).className = "about";
    this.live.textContent = `${kind.name} ${label}, ${model.place(i)}, at ${timeText(model.time[i])}`;
  }

  // The one sentence that somebody looks for who clicks an interrupt.
  story(i) {
    const { model } = this, name = model.kindOf(i).name, actor = model.actor(i);
    if (!name.startsWith("irq_") || actor < 0) return;
    let root = actor;
    for (let at = actor; at >= 0; at = model.actor(at)) root = at;
    if (model.row[model.kind[root]] !== ROW_CALL) return;
    const verb = { irq_pending: "is pending", irq_acknowledged: "was taken", irq_ended: "was handled" };
    const later = model.time[i] - model.time[root], when = later ? `${spanText(later)} before` : "at that moment";
    const call = `${model.place(root)} called ${model.label(root)}${this.caller(root)} ${when}`;
    const interrupt = model.label(i).split(",")[0], reasons = model.pairs(i).filter(([pair]) => pair.startsWith("reasons."));
    const text = reasons.length
      ? `${interrupt} does not reach ${model.place(i)}, though ${call}: ${reasons.map(([, reason]) => reason).join("; ")}.`
      : `${interrupt} ${verb[name] ?? "changed"} in ${model.place(i)} because ${call}.`;
    this.make("p", text).className = "story";
  }

  // Where a call was made, by function and line: a stub's caller says more than the stub.
  caller(i) {
    const pairs = new Map(this.model.pairs(i)), [, place] = /^0x[0-9a-f]+ (.+)$/.exec(pairs.get("lr") ?? "") ?? [];
    return place ? ` in ${place.replace(/^\((.*)\)$/, "$1")}` : "";
  }

  fields(i) {
    const { model } = this, table = this.make("table"), closer = model.closer(i);
    const add = (name, text) => {
      const row = this.make("tr", undefined, table);
      this.make("th", name.startsWith("reasons.") ? "reason" : name, row).scope = "row";
      this.make("td", text, row);
    };
    for (const [name, text] of model.pairs(i)) add(name, text);
    if (closer < 0) return;
    const known = new Map(model.pairs(i));
    for (const [name, text] of model.pairs(closer)) if (known.get(name) !== text) add(`→ ${name}`, text);
    if (model.time[closer] > model.time[i]) add("lasted", spanText(model.time[closer] - model.time[i]));
  }

  link(list, i, from) {
    const { model, view } = this, item = this.make("li", undefined, list), button = this.make("button", undefined, item);
    button.dataset.seq = model.seq[i];
    const kind = model.kindOf(i).name, label = model.label(i);
    this.make("b", label === kind ? kind : `${kind}: ${label}`, button);
    const later = model.time[i] - model.time[from];
    this.make("small", `#${model.seq[i]} · ${model.place(i)}${later ? ` · ${later > 0 ? "+" : "−"}${spanText(Math.abs(later))}` : ""}`, button);
    if (i === view.selected) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => {
      view.select(i);
      view.reveal(model.chain(i));
    });
  }

  causes(i) {
    const { model } = this, chain = model.chain(i);
    const last = chain[chain.length - 1], missing = model.causeSeq[last];
    if (chain.length === 1 && !missing) return;
    this.make("h3", "Why: from the first cause to this");
    const list = this.make("ol");
    list.id = "causes";
    if (missing && model.cause[last] < 0) this.make("li", `#${missing} is not in this report`, list);
    for (const at of chain.reverse()) this.link(list, at, i);
  }

  effects(i) {
    const effects = this.model.effects(i);
    if (!effects.length) return;
    this.make("h3", "What came of it");
    const list = this.make("ul");
    list.id = "effects";
    for (const effect of effects.subarray(0, 50)) this.link(list, effect, i);
    if (effects.length > 50) this.make("li", `and ${effects.length - 50} more`, list);
  }
}
