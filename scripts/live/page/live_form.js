// The form of one node or line and the tables of all, made from the columns that the program knows.

const profiles = { built_in: [], own: [] };
let columns_ = [];

function listElements() {
  listThings($("pick"), sheet.doc.nodes.map(({ id }) => String(id)), sheet.doc.edges.map(({ key }) => String(key)));
  $("pick").value = sheet.chosen ? `${sheet.chosen.kind} ${sheet.chosen.index}` : "";
}

/** Columns that a kind of node uses first, those of other kinds and of AC folded away. */
function isCommon(column, row, kind) {
  if (row[column.name] !== undefined && row[column.name] !== null) return true;
  if (kind === "line") return ["capacity_mw", "reactance_pu"].includes(column.name);
  const own = { source: ["gen_max_mw", "gen_cost_per_mwh", "gen_profile"], storage: ["store_max_mwh", "charge_max_mw", "discharge_max_mw"], consumer: ["load_max_mw", "load_profile"] };
  return (own[row.kind] ?? []).includes(column.name);
}

function showForm() {
  const box = $("fields"), part = sheet.chosen;
  const open = [...box.querySelectorAll("details")].map((each) => each.open), focus = document.activeElement?.id;
  box.replaceChildren();
  if (!part) {
    element(box, "p", "Choose a node or a line on the sheet or in the list; drag from the palette to add one.", "hint");
    return;
  }
  const rows = part.kind === "node" ? sheet.doc.nodes : sheet.doc.edges, row = rows[part.index];
  const name = textField(box, part.kind === "node" ? "Name" : "Name", "f-id", String(row[part.kind === "node" ? "id" : "key"]));
  name.addEventListener("change", () => rename(part, name.value));
  if (part.kind === "node") {
    const kind = element(element(box, "label", "Kind "), "select");
    kind.id = "f-kind";
    for (const each of KIND_NAMES) option(kind, each);
    kind.value = row.kind;
    kind.addEventListener("change", () => change(() => (row.kind = kind.value)));
  } else element(box, "p", `from ${row.source} to ${row.target}`);
  const mine = columns_.filter((column) => column.table === part.kind);
  const common = mine.filter((column) => isCommon(column, row, part.kind));
  for (const column of common) field(box, column, row);
  [["More columns", false], ["For AC power flow", true]].forEach(([title, ac], i) => {
    const rest = mine.filter((column) => column.ac === ac && !common.includes(column)), more_ = element(box, "details");
    more_.open = open[i] ?? false;
    element(more_, "summary", title);
    for (const column of rest) field(more_, column, row);
  });
  const tools = element(box, "div", "", "tools");
  if (part.kind === "node") {
    const list = element(element(tools, "label", "Line to "), "select"), join = element(tools, "button", "Add line");
    list.id = "f-to";
    sheet.doc.nodes.forEach((node, i) => i !== part.index && option(list, i, node.id));
    join.type = "button";
    join.id = "f-join";
    join.addEventListener("click", () => list.value && wire(part.index, Number(list.value)));
  }
  const remove = element(tools, "button", "Remove");
  remove.type = "button";
  remove.id = "f-remove";
  remove.addEventListener("click", () => removePart(part));
  showFieldFaults();
  if (focus?.startsWith("f-")) $(focus)?.focus();
}

function textField(box, words, id, value) {
  const label = element(box, "label", words), made = element(label, "input");
  Object.assign(made, { id, value, spellcheck: false, maxLength: 200 });
  return made;
}

function field(box, column, row) {
  const value = row[column.name], id = `f-${column.name}`, label = element(box, "label", "", "field");
  const head = element(label, "span", column.name);
  if (column.unit && column.unit !== "1") element(head, "small", ` ${column.unit}`);
  let input;
  if (column.text) {
    input = element(label, "select");
    option(input, "", "none: always 1");
    const known_ = [...profiles.own, ...profiles.built_in].filter(({ table }) => table === (column.name.startsWith("gen") ? "gen" : "load"));
    for (const profile of known_) option(input, profile.name, profile.name);
    if (!known_.some((profile) => profile.name === "constant")) option(input, "constant");
    if (value && ![...input.options].some((each) => each.value === value)) option(input, value);
    input.value = value ?? "";
    const spark = element(label, "canvas", "", "spark");
    spark.setAttribute("aria-hidden", "true");
    const found = known_.find((profile) => profile.name === input.value);
    requestAnimationFrame(() => drawSpark(spark, found?.values ?? [1, 1]));
    if (found) element(label, "small", `${found.meaning}; three days are shown`);
  } else {
    input = element(label, "input");
    Object.assign(input, { type: "text", value: value ?? "", placeholder: column.default ?? "" });
  }
  input.id = id;
  const help = element(label, "small", `${column.meaning}; ${column.allowed}`, "help");
  help.id = `${id}-help`;
  input.setAttribute("aria-describedby", help.id);
  input.addEventListener("change", () => change(() => put(row, column, input.value)));
}

/** A value from a field: nothing leaves the column out; what is no number stays as it is, for the checker to say. */
function put(row, column, text) {
  if (!text.trim()) delete row[column.name];
  else row[column.name] = column.text || !Number.isFinite(Number(text)) ? text : Number(text);
}

function rename(part, name) {
  change((doc) => {
    if (part.kind === "line") return void (doc.edges[part.index].key = name);
    const before = doc.nodes[part.index].id;
    doc.nodes[part.index].id = name;
    for (const edge of doc.edges) {
      const plain = edge.key === `${edge.source}-${edge.target}`;
      for (const end of ["source", "target"]) if (edge[end] === before) edge[end] = name;
      if (plain && edge.key !== `${edge.source}-${edge.target}`) edge.key = keyOf(edge.source, edge.target);
    }
  });
}

/** The words of the checker, at the field that they are about. */
function showFieldFaults() {
  for (const old of $("fields").querySelectorAll(".fault")) old.remove();
  for (const input of $("fields").querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  for (const { element: about_, found, text } of sheet.faults) {
    const part = partOf(about_);
    if (!part || !isAt(sheet.chosen, part.kind, part.index)) continue;
    const column = columns_.find(({ name }) => new RegExp(`\\b${name}\\b`).test(found)), input = column && $(`f-${column.name}`);
    input?.setAttribute("aria-invalid", "true");
    element(input?.parentElement ?? $("fields"), "span", text, "fault");
  }
}

function drawSpark(canvas, values) {
  if (!canvas.clientWidth) return;
  const colours = readColours(), [width, height] = [canvas.clientWidth, canvas.clientHeight], path = new Path2D();
  const most = Math.max(1, ...values), pen = sized(canvas, width, height);
  values.forEach((value, i) => path[i ? "lineTo" : "moveTo"]((i / (values.length - 1)) * width, height - 2 - (value / most) * (height - 4)));
  stroke(pen, path, colours.blue, 1.5);
}

// --- tables ---

function showTables() {
  if (!$("tables").open || !sheet.doc) return;
  makeTable($("nodes-table"), "node", sheet.doc.nodes, ["id", "kind"]);
  makeTable($("lines-table"), "line", sheet.doc.edges, ["key", "source", "target"]);
}

function makeTable(table, kind, rows, first) {
  const used = new Set(rows.flatMap((row) => Object.keys(row)));
  const shown_ = columns_.filter((column) => column.table === kind && ($("all-columns").checked || used.has(column.name)));
  table.replaceChildren();
  element(table, "caption", kind === "node" ? "Nodes" : "Lines");
  const head = element(table, "tr");
  for (const name of first) element(head, "th", name).scope = "col";
  for (const column of shown_) {
    const cell = element(head, "th", column.name);
    cell.scope = "col";
    cell.title = `${column.meaning}; ${column.allowed}`;
    if (column.unit && column.unit !== "1") element(cell, "small", ` ${column.unit}`);
  }
  rows.forEach((row, i) => {
    const line = element(table, "tr");
    first.forEach((name, place) => {
      const cell = element(line, place ? "td" : "th", place ? String(row[name]) : "");
      if (place) return;
      const button = element(cell, "button", String(row[name]), "link");
      button.type = "button";
      button.addEventListener("click", () => choosePart({ kind, index: i }));
    });
    for (const column of shown_) {
      const cell = element(line, "td", row[column.name] === undefined ? "" : String(row[column.name]));
      cell.tabIndex = 0;
      cell.setAttribute("aria-label", `${column.name} of ${row[first[0]]}: ${row[column.name] ?? "empty"}`);
      const edit = () => editCell(cell, row, column);
      cell.addEventListener("click", edit);
      cell.addEventListener("keydown", (event) => event.target === cell && event.key === "Enter" && (event.preventDefault(), edit()));
    }
  });
}

function editCell(cell, row, column) {
  if (cell.firstElementChild) return;
  const before = cell.textContent;
  cell.replaceChildren();
  const input = element(cell, "input");
  input.value = before;
  input.setAttribute("aria-label", `${column.name} of ${row.id ?? row.key}`);
  input.focus();
  const end = (keep) => {
    if (!cell.contains(input)) return;
    cell.replaceChildren(keep ? input.value : before);
    if (keep && input.value !== before) change(() => put(row, column, input.value));
  };
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === "Escape") end(event.key === "Enter");
    event.stopPropagation();
  });
  input.addEventListener("blur", () => end(true));
}

$("tables").addEventListener("toggle", showTables);
$("all-columns").addEventListener("change", showTables);
$("pick").addEventListener("change", () => choosePart(partOf($("pick").value)));
$("form").addEventListener("submit", (event) => event.preventDefault());
