// Puts the page together: data, timeline, lists, keys.

const byId = (id) => document.getElementById(id);

function heading(data) {
  document.title = data.title;
  byId("title").textContent = data.title;
  for (const [name, text] of data.summary) {
    const item = byId("summary").appendChild(document.createElement("li"));
    item.appendChild(document.createElement("span")).textContent = name;
    item.appendChild(document.createElement("b")).textContent = text;
  }
  for (const note of data.notes) byId("notes").appendChild(document.createElement("p")).textContent = note;
}

function timeline(model, view) {
  const scroller = byId("lanes"), canvas = byId("canvas");
  const lanes = new Lanes(model, view, canvas, scroller), overview = new Overview(model, view, byId("overview"));
  byId("height").style.height = `${lanes.total}px`;
  scroller.style.height = `${Math.min(lanes.total, Math.max(180, window.innerHeight * 0.44))}px`;
  view.draw = () => {
    lanes.draw();
    overview.draw(lanes.colour);
  };
  const resize = () => {
    lanes.resize();
    overview.resize();
    view.draw();
  };
  new ResizeObserver(resize).observe(scroller);
  scroller.addEventListener("scroll", () => view.changed());
  resize();
  pointer(lanes, view, canvas);
  return lanes;
}

function pointer(lanes, view, canvas) {
  const tip = byId("tip");
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const amount = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) view.pan(event.deltaX || amount);
    else view.zoom(1.0015 ** amount, event.offsetX);
  }, { passive: false });
  let grabbed = null;
  canvas.addEventListener("pointerdown", (event) => {
    grabbed = { x: event.clientX, y: event.clientY, last: event.clientX, top: byId("lanes").scrollTop, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!grabbed) return hover(lanes, view, tip, event);
    grabbed.moved ||= Math.hypot(event.clientX - grabbed.x, event.clientY - grabbed.y) > 4;
    if (!grabbed.moved) return undefined;
    tip.hidden = true;
    view.pan(grabbed.last - event.clientX);
    byId("lanes").scrollTop = grabbed.top - (event.clientY - grabbed.y);
    grabbed.last = event.clientX;
    return undefined;
  });
  canvas.addEventListener("pointerup", (event) => {
    if (grabbed && !grabbed.moved) view.select(lanes.hit(event.offsetX, event.offsetY));
    grabbed = null;
  });
  canvas.addEventListener("pointerleave", () => (tip.hidden = true));
  canvas.addEventListener("dblclick", (event) => view.zoom(0.25, event.offsetX));
}

function hover(lanes, view, tip, event) {
  const i = lanes.hit(event.offsetX, event.offsetY), { model } = view;
  tip.hidden = i < 0;
  lanes.canvas.style.cursor = i < 0 ? "grab" : "pointer";
  if (i < 0) return;
  const kind = model.kindOf(i).name, label = model.label(i);
  tip.textContent = `${kind}${label === kind ? "" : `: ${label}`}\n${model.place(i)} · ${timeText(model.time[i])}`;
  tip.style.left = `${Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${event.clientY + 16}px`;
}

// The next event of the selected event's lane, or of the run.
function neighbour(model, i, step) {
  if (i < 0) return step > 0 ? 0 : model.count - 1;
  const lane = model.lanes[model.laneOf[i]];
  if (!lane) return Math.min(Math.max(i + step, 0), model.count - 1);
  return lane.events[lowerBound(lane.events, i) + step] ?? i;
}

function keys(model, view) {
  const width = () => view.plotWidth / 5;
  const actions = {
    ArrowLeft: () => view.pan(-width()),
    ArrowRight: () => view.pan(width()),
    "+": () => view.zoom(0.5),
    "=": () => view.zoom(0.5),
    "-": () => view.zoom(2),
    f: () => view.fit(),
    0: () => view.fit(),
    o: () => byId("scale").click(),
    d: () => byId("theme").click(),
    n: () => view.select(neighbour(model, view.selected, 1), true),
    p: () => view.select(neighbour(model, view.selected, -1), true),
    c: () => view.selected >= 0 && model.cause[view.selected] >= 0 && view.select(model.cause[view.selected], true),
    e: () => view.selected >= 0 && model.effects(view.selected).length && view.select(model.effects(view.selected)[0], true),
    z: () => view.selected >= 0 && view.reveal([...model.chain(view.selected), ...model.effects(view.selected)]),
    "/": () => {
      byId("tab-events").click();
      byId("filter").focus();
    },
    Escape: () => view.select(-1),
  };
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.matches("input, select");
    if (isTyping && event.key === "Escape") event.target.blur();
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(actions, event.key)) return;
    event.preventDefault();
    actions[event.key]();
  });
}

function tabs(names, first) {
  const open = (chosen) => {
    for (const name of names) {
      byId(`tab-${name}`).setAttribute("aria-selected", name === chosen);
      byId(`pane-${name}`).hidden = name !== chosen;
    }
  };
  for (const name of names) byId(`tab-${name}`).addEventListener("click", () => open(name));
  open(first);
}

function buttons(view, lanes) {
  byId("fit").addEventListener("click", () => view.fit());
  byId("in").addEventListener("click", () => view.zoom(0.5));
  byId("out").addEventListener("click", () => view.zoom(2));
  byId("scale").addEventListener("click", () => {
    view.setScale(view.scale === "time" ? "order" : "time");
    byId("scale").setAttribute("aria-pressed", view.scale === "order");
  });
  const system = matchMedia("(prefers-color-scheme: dark)"), recolour = () => {
    lanes.colours();
    view.changed();
  };
  byId("theme").addEventListener("click", () => {
    const root = document.documentElement, isDark = (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
    root.dataset.theme = isDark ? "light" : "dark";
    recolour();
  });
  system.addEventListener("change", recolour);
}

// Paper is white, and on it a list has no scroll bar: its first rows are printed.
function printing(view, lanes, lists) {
  const root = document.documentElement;
  let theme;
  const change = (chosen, rows) => {
    if (chosen) root.dataset.theme = chosen;
    else delete root.dataset.theme;
    lanes.colours();
    view.draw();
    lists.forEach((list) => list.draw(rows));
  };
  window.addEventListener("beforeprint", () => {
    theme = root.dataset.theme;
    change("light", 300);
  });
  window.addEventListener("afterprint", () => change(theme, 0));
}

function follow(model, view) {
  const go = () => {
    const [, seq] = /^#e=(\d+)$/.exec(location.hash) ?? [];
    const i = seq === undefined ? -1 : model.find(Number(seq));
    if (i < 0 || i === view.selected) return;
    view.select(i);
    view.reveal(model.chain(i));
  };
  window.addEventListener("hashchange", go);
  view.listeners.push((i) => {
    if (i >= 0) history.replaceState(null, "", `#e=${model.seq[i]}`);
  });
  go();
}

async function main() {
  const holder = byId("data"), data = await inflate(holder.textContent);
  holder.remove();
  heading(data);
  const model = new Model(data), view = new View(model);
  const lanes = timeline(model, view), table = new EventTable(model, view), consoles = new Consoles(model, view);
  const details = new Details(model, view);
  details.show(-1);
  tabs(["consoles", "events"], consoles.count ? "consoles" : "events");
  buttons(view, lanes);
  keys(model, view);
  printing(view, lanes, [table.list, ...consoles.panes.map((pane) => pane.list)]);
  follow(model, view);
  requestAnimationFrame(() => {
    document.documentElement.dataset.ready = Math.round(performance.now());
  });
  window.report = { model, view, lanes, table, consoles };
}

main().catch((error) => {
  byId("notes").appendChild(document.createElement("p")).textContent =
    `This page could not be shown: ${error}. It needs a browser of 2023 or later.`;
});
