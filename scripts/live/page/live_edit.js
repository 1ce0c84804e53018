// Edit: the grid as node-link JSON with a place for each node; every change can be undone.

const NEW = {
  source: { gen_max_mw: 10, gen_cost_per_mwh: 30 },
  storage: { store_max_mwh: 10, charge_max_mw: 5, discharge_max_mw: 5 },
  consumer: { load_max_mw: 10, load_profile: "household" },
  junction: {},
};
const MOST_UNDONE = 100, SLACK = 6, TOUCH_SLACK = 14;
const sheet = { doc: null, places: [], undone: [], redone: [], faults: [], chosen: null, tool: "move", drag: null, place: null, shapes: null };
const emptyDoc = () => ({ graph: { format: "load-balancer/1", name: "mygrid" }, nodes: [], edges: [] });
const gridOf = () => sheet.doc;

// --- changes ---

function change(work) {
  sheet.undone.push(JSON.stringify([sheet.doc, sheet.places]));
  if (sheet.undone.length > MOST_UNDONE) sheet.undone.shift();
  sheet.redone = [];
  work(sheet.doc);
  changed();
}

function changed() {
  drive.isStale = sheet.isUnsaved = true;
  const { kind, index } = sheet.chosen ?? {};
  if (sheet.chosen && !(kind === "node" ? sheet.doc.nodes : sheet.doc.edges)[index]) sheet.chosen = null;
  $("undo").disabled = !sheet.undone.length;
  $("redo").disabled = !sheet.redone.length;
  if (document.activeElement !== $("name")) $("name").value = sheet.doc.graph.name ?? "";
  listElements();
  drawSheet();
  showForm();
  showTables();
  check();
}

function goBack(from, to) {
  if (!from.length) return;
  to.push(JSON.stringify([sheet.doc, sheet.places]));
  [sheet.doc, sheet.places] = JSON.parse(from.pop());
  changed();
}

const check = seldom(120, () => ask("check", { grid: sheet.doc }).then(({ faults, notes }) => {
  sheet.faults = faults;
  const list = $("faults");
  list.replaceChildren();
  for (const { element: about_, text } of faults) {
    const row = element(list, "li", "", "fault");
    if (!about_) write(row, text);
    else {
      const button = element(row, "button", text);
      button.type = "button";
      button.addEventListener("click", () => choosePart(partOf(about_)));
    }
  }
  if (!faults.length) element(list, "li", "none: it can be run");
  for (const note of notes) element(list, "li", note, "note");
  const words = faults.length ? `${faults.length} ${faults.length === 1 ? "fault" : "faults"}` : "no faults";
  if (words !== sheet.words) say(words, faults.length > 0); // what else was said since stays
  sheet.words = words;
  drawSheet();
  showFieldFaults();
}, (error) => say(error.message, true)));

const partOf = (text) => {
  const [kind, index] = text.split(" ");
  return text ? { kind, index: Number(index) } : null;
};
const isAt = (part, kind, index) => part?.kind === kind && part.index === index;

// --- the mouse, fingers and keys ---

/** Where in the view an event is, and what lies under it. */
function under(event) {
  const { left, top } = $("sheet").getBoundingClientRect(), [x, y] = [event.clientX - left, event.clientY - top];
  const found = thingAt(sheet.place, x, y, event.pointerType === "touch" ? TOUCH_SLACK : SLACK);
  const { width, height } = shape(), scale = Math.min(sheet.place.height / height, sheet.place.width / width);
  const spot = [((x - (sheet.place.width - scale * width) / 2) / scale) * (VIEW.width / width), VIEW.height - (y / scale) * (VIEW.height / height)];
  const part = found && { kind: found.kind, index: found.kind === "line" ? data.of[found.index] : found.index };
  return { x, y, part, spot: [Math.min(Math.max(spot[0], 12), VIEW.width - 12), Math.min(Math.max(spot[1], 12), VIEW.height - 12)].map((v) => Math.round(v * 10) / 10) };
}

/** Positions are written for all nodes, as they are shown, once one of them is placed by hand. */
function writePlaces() {
  sheet.doc.nodes.forEach((node, i) => ([node.x, node.y] = sheet.places[i]));
}

function addPart(kind, spot) {
  const taken = new Set(sheet.doc.nodes.map(({ id }) => id));
  let count_ = 1;
  while (taken.has(`${kind} ${count_}`)) count_++;
  change(({ nodes }) => {
    nodes.push({ id: `${kind} ${count_}`, kind, ...NEW[kind] });
    sheet.places.push(spot ?? freeSpot());
    writePlaces();
    sheet.chosen = { kind: "node", index: nodes.length - 1 };
  });
}

function freeSpot() {
  let best = [VIEW.width / 2, VIEW.height / 2], most = -1;
  for (let x = 90; x < VIEW.width; x += 80) {
    for (let y = 75; y < VIEW.height; y += 80) {
      const away = Math.min(300, ...sheet.places.map(([a, b]) => Math.hypot(a - x, b - y))) - 0.2 * Math.hypot(x - VIEW.width / 2, y - VIEW.height / 2);
      if (away > most) [best, most] = [[x, y], away];
    }
  }
  return best;
}

function keyOf(source, target) {
  const taken = new Set(sheet.doc.edges.map(({ key }) => key));
  let key = `${source}-${target}`;
  for (let i = 2; taken.has(key); i++) key = `${source}-${target}#${i}`;
  return key;
}

function wire(from, to) {
  if (from === to) return;
  change(({ nodes, edges }) => {
    const [source, target] = [nodes[from].id, nodes[to].id];
    edges.push({ source, target, key: keyOf(source, target), capacity_mw: 10 });
    sheet.chosen = { kind: "line", index: edges.length - 1 };
  });
}

function removePart(part) {
  change((doc) => {
    if (part.kind === "line") doc.edges.splice(part.index, 1);
    else {
      const [{ id }] = doc.nodes.splice(part.index, 1);
      sheet.places.splice(part.index, 1);
      doc.edges = doc.edges.filter(({ source, target }) => source !== id && target !== id);
    }
    sheet.chosen = null;
  });
}

function choosePart(part) {
  sheet.chosen = part;
  $("pick").value = part ? `${part.kind} ${part.index}` : "";
  drawSheet();
  showForm();
}

function useTool(tool) {
  sheet.tool = tool;
  for (const button of $("palette").children) button.setAttribute("aria-pressed", button.dataset.tool === tool);
  const hints = { move: "Drag nodes to move them. Shift and drag from node to node makes a line.", line: "Drag from one node to another." };
  write($("hint"), hints[tool] ?? `Click where the ${tool} goes, or drag it onto the sheet.`);
}

for (const [tool, words] of [["move", "Move"], ...KIND_NAMES.map((kind) => [kind, kind]), ["line", "line"]]) {
  const button = element($("palette"), "button", "", "tool");
  button.type = "button";
  button.dataset.tool = tool;
  if (KIND_NAMES.includes(tool)) element(button, "i", "", `mark ${tool}`).setAttribute("aria-hidden", "true");
  element(button, "span", words);
  button.addEventListener("click", (event) => (event.detail === 0 && NEW[tool] ? addPart(tool) : useTool(tool)));
  if (!NEW[tool]) continue;
  button.addEventListener("pointerdown", (event) => {
    button.setPointerCapture(event.pointerId);
    button.addEventListener("pointerup", (end) => {
      if (document.elementFromPoint(end.clientX, end.clientY) === $("sheet")) {
        addPart(tool, under(end).spot);
        useTool("move");
      }
    }, { once: true });
  });
}

$("sheet").addEventListener("pointerdown", (event) => {
  const { part, spot, x, y } = under(event), isNode = part?.kind === "node";
  if (NEW[sheet.tool]) {
    addPart(sheet.tool, spot);
    return useTool("move");
  }
  choosePart(part);
  if (!isNode) return;
  $("sheet").setPointerCapture(event.pointerId);
  sheet.drag = { from: part.index, wire: sheet.tool === "line" || event.shiftKey, x, y, before: JSON.stringify([sheet.doc, sheet.places]) };
});
$("sheet").addEventListener("pointermove", (event) => {
  if (!sheet.drag) return void ($("sheet").style.cursor = under(event).part ? "pointer" : NEW[sheet.tool] ? "copy" : "");
  const { spot, x, y } = under(event);
  if (!sheet.drag.moved && Math.hypot(x - sheet.drag.x, y - sheet.drag.y) < 3) return;
  Object.assign(sheet.drag, { x, y, moved: true });
  if (!sheet.drag.wire) sheet.places[sheet.drag.from] = spot;
  sheet.drag.due ??= requestAnimationFrame(() => {
    if (sheet.drag) sheet.drag.due = null;
    drawSheet();
  });
});
$("sheet").addEventListener("pointerup", (event) => {
  const drag = sheet.drag, { part } = under(event);
  sheet.drag = null;
  if (!drag?.moved) return;
  if (drag.wire) {
    if (part?.kind === "node") wire(drag.from, part.index);
    else drawSheet();
    return;
  }
  sheet.undone.push(drag.before);
  sheet.redone = [];
  writePlaces();
  changed();
});
$("sheet").addEventListener("pointercancel", () => {
  if (sheet.drag) [sheet.doc, sheet.places] = JSON.parse(sheet.drag.before);
  sheet.drag = null;
  drawSheet();
});
$("sheet").addEventListener("keydown", (event) => {
  const way = { ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, 10], ArrowDown: [0, -10] }[event.key], part = sheet.chosen;
  if (!part) return;
  if (event.key === "Delete" || event.key === "Backspace") removePart(part);
  else if (way && part.kind === "node") {
    change(() => {
      sheet.places[part.index] = sheet.places[part.index].map((value, axis) => value + way[axis]);
      writePlaces();
    });
  } else return;
  event.preventDefault();
});
document.addEventListener("keydown", (event) => {
  if ($("edit").hidden || !(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z" || /INPUT|SELECT/.test(event.target.tagName)) return;
  event.preventDefault();
  if (event.shiftKey) goBack(sheet.redone, sheet.undone);
  else goBack(sheet.undone, sheet.redone);
});

// --- whole grids ---

/** Show another grid. Undo brings back the one before, unless series are lost that only its file has. */
function openDoc(message) {
  const isKept = sheet.doc && !profiles.own.length && !message.curves.length;
  const undone = isKept ? [...sheet.undone, JSON.stringify([sheet.doc, sheet.places])].slice(-MOST_UNDONE) : [];
  Object.assign(sheet, { doc: message.grid, places: message.places, undone, redone: [], chosen: null, faults: [], words: "" });
  profiles.own = message.curves;
  changed();
  sheet.isUnsaved = false;
}
told.opened = openDoc;
told.new = () => openDoc({ grid: emptyDoc(), places: [], curves: [] });
told.arranged = ({ places }) => change(() => {
  sheet.places = places;
  writePlaces();
});
told.saved = ({ path }) => say(`Saved as ${path} in the working folder.`);

$("new").addEventListener("click", () => order("new"));
$("undo").addEventListener("click", () => goBack(sheet.undone, sheet.redone));
$("redo").addEventListener("click", () => goBack(sheet.redone, sheet.undone));
$("layout").addEventListener("click", () => order("arrange", { grid: sheet.doc }));
$("name").addEventListener("change", () => change(({ graph }) => (graph.name = $("name").value)));
$("save").addEventListener("click", () => {
  const name = sheet.doc.graph.name ?? "grid", replace = sheet.asked === name;
  ask("save", { grid: sheet.doc, name, replace }).then(() => (sheet.asked = null, sheet.isUnsaved = false), (error) => {
    sheet.asked = /a file of that name/.test(error.message) ? name : null;
    say(error.message, true);
  });
});
$("bundled").addEventListener("change", () => {
  const name = $("bundled").value;
  $("bundled").value = "";
  if (name) order("open", { name: name === "gen" ? `gen:30:${Math.floor(1e6 * Math.random())}` : name });
});
$("file").addEventListener("change", async () => {
  const [file] = $("file").files;
  if (!file) return;
  if (file.size > 9e6) return say(`${file.name} has more than 9 MB; open it on the command line.`, true);
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  $("file").value = "";
  order("open", { name: file.name, content: btoa(text) });
});
window.addEventListener("beforeunload", (event) => sheet.isUnsaved && event.preventDefault());
entered.edit = (is) => is && drawSheet();
window.addEventListener("resize", drawSheet);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawSheet);
