// The sheet: the grid that is edited, drawn by the player's own pens.

const VIEW = { width: 980, height: 470 }; // that places are for; they are y up, as the columns are
const shape = () => (window.innerWidth < 600 ? { width: 540, height: 560 } : VIEW); // that it is drawn in
const across = (x) => (x * shape().width) / VIEW.width, down = (y) => ((VIEW.height - y) * shape().height) / VIEW.height;

/** The player shows one episode at a time; the sheet borrows it. Returns what brings the episode back. */
function keepEpisode() {
  const kept = { data, STEPS, NODES, LINES, LARGEST_MW, inAc, DAYS, known, LAST, demand, available, runs, look, LEVELS };
  return () => {
    ({ data, STEPS, NODES, LINES, LARGEST_MW, inAc, DAYS, known, LAST, demand, available, runs, look, LEVELS } = kept);
  };
}

/** What the player's pens need to know of the grid. */
function asData() {
  const { nodes, edges } = sheet.doc, ids = new Map(nodes.map((node, i) => [node.id, i]));
  const amount = (name) => nodes.map((node) => Math.max(Number(node[name]) || 0, 0));
  const of = [...edges.keys()].filter((e) => ids.has(edges[e].source) && ids.has(edges[e].target)), lines = of.map((e) => edges[e]);
  const [gen, load, store] = ["gen_max_mw", "load_max_mw", "store_max_mwh"].map(amount);
  const size = { source: gen, storage: store, consumer: load }, many_ = Math.max(nodes.length, 12);
  const base = Math.min(16 * (20 / many_) ** 0.32, 100 / many_ ** 0.5);
  const most = Object.fromEntries(Object.entries(size).map(([kind, values]) => [kind, Math.max(1e-9, ...values.filter((_, i) => nodes[i].kind === kind))]));
  const radius = nodes.map(({ kind }, i) => base * (size[kind] ? 0.62 + 0.5 * Math.sqrt(size[kind][i] / most[kind]) : 0.42));
  return {
    grid: sheet.doc.graph.name, nodes: nodes.map((node) => String(node.id)), lines: lines.map((edge) => String(edge.key)),
    kinds: nodes.map(({ kind }) => (KIND_NAMES.includes(kind) ? kind : "junction")),
    from: lines.map((edge) => ids.get(edge.source)), to: lines.map((edge) => ids.get(edge.target)),
    capacity: lines.map((edge) => edge.capacity_mw ?? null), gen_max: gen, load_max: load, store_max: store,
    steps: 1, dt_h: 1, start_hour: 0, dates: [], band: [], policies: [], labels: nodes.length <= 60, of,
    views: [{ ...shape(), x: sheet.places.map(([x]) => across(x)), y: sheet.places.map(([, y]) => down(y)), side: nodes.map(() => 7), bend: bends(lines, ids) }],
    look: { radius, line_px: 7 * (20 / Math.max(lines.length, 20)) ** 0.35, chevron_px: 6, arc_gap_px: 3, arc_px: 4, shapes: sheet.shapes },
  };
}

/** Where lines between the same two nodes bow apart. */
function bends(lines, ids) {
  const groups = new Map(), found = {};
  lines.forEach((edge, e) => {
    const key = [ids.get(edge.source), ids.get(edge.target)].sort().join();
    groups.set(key, [...(groups.get(key) ?? []), e]);
  });
  for (const group of groups.values()) {
    group.forEach((e, i) => {
      const side = i - (group.length - 1) / 2, [a, b] = [Math.min(ids.get(lines[e].source), ids.get(lines[e].target)), Math.max(ids.get(lines[e].source), ids.get(lines[e].target))];
      if (!side) return;
      const [[xa, ya], [xb, yb]] = [a, b].map((n) => [across(sheet.places[n][0]), down(sheet.places[n][1])]);
      const far = Math.hypot(xb - xa, yb - ya) || 1;
      found[e] = [(xa + xb) / 2 - (36 * side * (yb - ya)) / far, (ya + yb) / 2 + (36 * side * (xb - xa)) / far];
    });
  }
  return found;
}

function drawSheet() {
  const canvas = $("sheet");
  if ($("edit").hidden || !sheet.doc || !canvas.parentElement.clientWidth) return;
  takeGrid(asData());
  look = data.look;
  const colours = readColours(), width = canvas.parentElement.clientWidth;
  sheet.place = layOut(width, Math.max(shape() === VIEW ? 220 : 400, window.innerHeight - 330));
  const { place } = sheet;
  const isSame = sheet.size === `${width} ${place.height} ${window.devicePixelRatio}`;
  sheet.size = `${width} ${place.height} ${window.devicePixelRatio}`;
  canvas.style.height = `${place.height}px`;
  const pen = isSame ? canvas.getContext("2d") : sized(canvas, width, place.height), layers = layerDrawings(place, colours);
  pen.clearRect(0, 0, width, place.height);
  const ring = (part, colour, size) => {
    const path = new Path2D(), e = part.kind === "line" ? data.of.indexOf(part.index) : -1;
    if (part.kind === "node" && place.x[part.index] !== undefined) addNode(path, data.kinds[part.index], place.x[part.index], place.y[part.index], place.radius[part.index]);
    else if (e >= 0) addLine(path, place.lines[e]);
    stroke(pen, path, colour, part.kind === "node" ? 2 * size : place.linePx + size);
  };
  pen.lineCap = pen.lineJoin = "round";
  layers.beds(pen);
  stroke(pen, place.bed, colours.unlimited, 2.4);
  const faulty = sheet.faults.map((fault) => partOf(fault.element)).filter(Boolean);
  for (const part of faulty) ring(part, colours.vermilion, 7);
  if (sheet.chosen) {
    ring(sheet.chosen, colours.ink, 7);
    ring(sheet.chosen, colours.paper, 5);
  }
  if (faulty.length || sheet.chosen) stroke(pen, place.bed, colours.unlimited, 2.4);
  if (sheet.drag?.wire) {
    const path = new Path2D(), { from, x, y } = sheet.drag;
    path.moveTo(place.x[from], place.y[from]);
    path.lineTo(x, y);
    pen.setLineDash([6, 4]);
    stroke(pen, path, colours.ink, 2);
    pen.setLineDash([]);
  }
  layers.bodies(pen);
  KIND_NAMES.forEach((kind) => {
    const symbol = corners(kind), path = new Path2D();
    if (symbol) data.kinds.forEach((other, n) => other === kind && trace(path, filled(symbol, 0.6), place.x[n], place.y[n], place.radius[n]));
    fill(pen, path, colours[kind].full);
  });
  layers.rims(pen);
  pen.font = `bold 13px ${FONT}`;
  const marks = faulty.map((part) => (part.kind === "node" ? { x: place.x[part.index] + place.radius[part.index] + 6, y: place.y[part.index] - place.radius[part.index] - 2 }
    : { x: place.lines[data.of.indexOf(part.index)]?.middle[0], y: place.lines[data.of.indexOf(part.index)]?.middle[1] }));
  writeTexts(pen, marks.filter(({ x }) => x !== undefined).map((mark) => ({ text: "!", ...mark })), colours.paper, colours.vermilion);
  canvas.setAttribute("aria-label", `The grid ${data.grid}: ${NODES} nodes, ${LINES} lines, ${sheet.faults.length} faults; its parts are in the list “Look at”`);
}
