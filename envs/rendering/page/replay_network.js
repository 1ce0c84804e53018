// The network: lines, moving chevrons, nodes with their gauges, unserved demand, labels. Lengths are CSS pixels.

let LEVELS, look; // of width and colour of lines, the fewer the faster; what nodes and lines look like
const LEAST_SHOWN = 0.02; // smaller flows have no chevrons, smaller shares no arc
const END_ROOM = 8; // chevrons shrink within so many pixels of the end of a line
const CHEVRON_SPEED = 90; // pixels a second at full loading
const FULL_TURN = 2 * Math.PI;
const KIND_NAMES = ["source", "storage", "consumer", "junction"];
const FONT = '"DejaVu Sans", Verdana, system-ui, sans-serif';

/** The colours of the page as it is now: light or dark. */
function readColours() {
  LEVELS = LINES <= 60 ? 20 : 8;
  const css = getComputedStyle(document.documentElement), colour = (name) => css.getPropertyValue(`--${name}`).trim();
  const found = {};
  for (const name of ["loading", "voltage"]) found[name] = mix([0, 1, 2, 3, 4].map((part) => colour(`${name}-${part}`)));
  const plain = "dark ink muted faint rule paper halo served vermilion curtailed unlimited green blue other band";
  for (const name of plain.split(" ")) found[name] = colour(name);
  for (const kind of KIND_NAMES) {
    found[kind] = { full: colour(`${kind}-full`), empty: colour(`${kind}-empty`), edge: colour(`${kind}-edge`) };
  }
  return found;
}

function mix(stops) {
  const parts = stops.map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
  return Array.from({ length: LEVELS + 1 }, (_, level) => {
    const place = (level / LEVELS) * (parts.length - 1), low = Math.min(Math.floor(place), parts.length - 2);
    const rgb = parts[low].map((value, i) => Math.round(value + (place - low) * (parts[low + 1][i] - value)));
    return `rgb(${rgb.join()})`;
  });
}

/** Corners of a node of this kind, y down; none: a circle. */
function corners(kind) {
  const shape = { source: look.shapes.TRIANGLE, storage: look.shapes.SQUARE }[kind];
  return shape && shape.map(([x, y]) => [x, -y]);
}

/** The part of a shape that lies below the given share of its height, as a gauge. */
function filled(shape, share) {
  const ys = shape.map((corner) => corner[1]), low = Math.max(...ys), high = Math.min(...ys);
  const level = low - Math.min(Math.max(share, 0), 1) * (low - high), kept = [];
  shape.forEach(([xa, ya], i) => {
    const [xb, yb] = shape[(i + 1) % shape.length];
    if (ya >= level) kept.push([xa, ya]);
    if ((ya - level) * (yb - level) < 0) kept.push([xa + ((level - ya) / (yb - ya)) * (xb - xa), level]);
  });
  return kept.length > 2 ? kept : [];
}

function trace(path, shape, x, y, size) {
  shape.forEach(([dx, dy], i) => (i ? path.lineTo(x + size * dx, y + size * dy) : path.moveTo(x + size * dx, y + size * dy)));
  path.closePath();
}

function addNode(path, kind, x, y, size) {
  const shape = corners(kind);
  if (shape) trace(path, shape, x, y, size);
  else {
    path.moveTo(x + size, y);
    path.arc(x, y, size, 0, FULL_TURN);
  }
}

function addArc(path, x, y, size, share) {
  const top = -Math.PI / 2;
  path.moveTo(x, y - size);
  path.arc(x, y, size, top, top + FULL_TURN * Math.min(share, 0.9999));
}

function addChevron(path, x, y, ax, ay, size) {
  const turned = look.shapes.CHEVRON.map(([along, across]) => [along * ax - across * ay, along * ay + across * ax]);
  trace(path, turned, x, y, size);
}

/** What never changes, made once a size. */
function makeLayers(place, colours) {
  const made = Object.entries(layerDrawings(place, colours)).map(([name, draw]) => {
    const canvas = document.createElement("canvas");
    draw(sized(canvas, place.width, place.height));
    return [name, canvas];
  });
  return Object.fromEntries(made);
}

/** What draws them: the beds of the lines, the bodies of the nodes, and their rims and labels. */
function layerDrawings(place, colours) {
  const outlines = KIND_NAMES.map((kind) => {
    const path = new Path2D();
    data.kinds.forEach((other, n) => other === kind && addNode(path, kind, place.x[n], place.y[n], place.radius[n]));
    return { path, shape: corners(kind), ...colours[kind] };
  });
  const beds = (pen) => {
    pen.lineCap = "round";
    stroke(pen, place.bed, colours.faint, place.linePx + 2.5);
  };
  const bodies = (pen) => {
    for (const { path, shape, empty } of outlines) {
      pen.lineJoin = "round";
      stroke(pen, path, colours.paper, shape ? 4 : 2.4);
      fill(pen, path, empty);
    }
  };
  const rims = (pen) => {
    for (const { path, shape, edge } of outlines) if (shape) stroke(pen, path, edge, 1.6);
    place.labels = placeLabels(pen, place);
    writeTexts(pen, place.labels, colours.paper, colours.ink);
  };
  return { beds, bodies, rims };
}

/** Texts around their middles, each set off from what is behind it. */
function writeTexts(pen, texts, halo, colour) {
  [pen.textAlign, pen.textBaseline, pen.lineJoin, pen.lineWidth] = ["center", "middle", "round", 3.5];
  [pen.strokeStyle, pen.fillStyle] = [halo, colour];
  for (const { text, x, y } of texts) pen.strokeText(text, x, y);
  for (const { text, x, y } of texts) pen.fillText(text, x, y);
}

function drawNetwork(pen, place, colours, run, t, marked) {
  pen.clearRect(0, 0, place.width, place.height);
  pen.lineCap = "round";
  pen.lineJoin = "round";
  drawLayer(pen, place, place.layers.beds);
  drawMarks(pen, place, colours, marked);
  drawLines(pen, place, colours, run, t);
  drawOutages(pen, place, colours, run, t);
  drawChevrons(pen, place, colours, run, t);
  drawArcs(pen, place, colours, run, t);
  if (inAc) drawRings(pen, place, colours, run, t);
  drawLayer(pen, place, place.layers.bodies);
  drawGauges(pen, place, colours, run, t);
  if (inAc) drawDark(pen, place, colours, run, t);
  drawLayer(pen, place, place.layers.rims);
  for (let n = 0; n < NODES; n++) {
    if (run.off[n][Math.min(Math.floor(t + 1e-9), LAST)]) drawOff(pen, colours, place.x[n], place.y[n], place.radius[n]);
  }
  drawBadges(pen, place, colours, run, t);
}

function drawLayer(pen, place, layer) {
  pen.drawImage(layer, 0, 0, place.width, place.height);
}

function fill(pen, path, colour) {
  pen.fillStyle = colour;
  pen.fill(path);
}

function stroke(pen, path, colour, width) {
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.stroke(path);
}

/** What is pointed at or chosen is set off by a ring. */
function drawMarks(pen, place, colours, marked) {
  for (const thing of marked) {
    const path = new Path2D();
    if (thing.kind === "line") addLine(path, place.lines[thing.index]);
    else addNode(path, data.kinds[thing.index], place.x[thing.index], place.y[thing.index], place.radius[thing.index]);
    stroke(pen, path, colours.ink, thing.kind === "line" ? place.linePx + 9 : 2 * (place.gap + place.arc + 4));
    stroke(pen, path, colours.paper, thing.kind === "line" ? place.linePx + 6 : 2 * (place.gap + place.arc + 2.4));
  }
}

/** Lines of the same width and colour together; full ones have a rim. */
function drawLines(pen, place, colours, run, t) {
  const groups = new Map();
  place.lines.forEach((line, e) => {
    if (outageAt(run, e, t)) return;
    const loading = Math.abs(at(run.loading[e], t)), state = lineState(run, e, t, loading);
    const key = (data.capacity[e] === null ? 900 : 100 * state) + Math.round(LEVELS * Math.min(loading, 1));
    if (!groups.has(key)) groups.set(key, new Path2D());
    addLine(groups.get(key), line);
  });
  const sorted = [...groups].sort((a, b) => a[0] - b[0]), full = colours.loading[LEVELS];
  const width = (key) => 1.6 + (place.linePx - 1.6) * ((key % 100) / LEVELS);
  for (const [key, path] of sorted) {
    const state = Math.floor(key / 100);
    if (state === 1) stroke(pen, path, colours.halo, width(key) + 6);
    if (state === 2) stroke(pen, path, full, width(key) + 4.5);
  }
  for (const [key, path] of sorted) {
    const state = Math.floor(key / 100);
    stroke(pen, path, state === 9 ? colours.unlimited : state === 2 ? colours.vermilion : colours.loading[key % 100], width(key));
  }
}

/** Lines that are out are dashed, with a mark in the middle. */
function drawOutages(pen, place, colours, run, t) {
  for (const kind of [1, 2]) {
    const out = place.lines.filter((line, e) => outageAt(run, e, t) === kind), path = new Path2D();
    for (const line of out) addLine(path, line);
    const width = Math.max(2.2, place.linePx / 2), size = (LINES <= 60 ? 6.5 : 5) * Math.min(Math.max(place.grow, 0.7), 1);
    pen.lineCap = "butt";
    pen.setLineDash([2.2 * width, 1.6 * width]);
    stroke(pen, path, kind === 2 ? colours.vermilion : colours.muted, width);
    pen.setLineDash([]);
    pen.lineCap = "round";
    for (const line of out) drawOutageMark(pen, colours, kind, ...line.middle, size);
  }
}

function drawOutageMark(pen, colours, kind, x, y, size) {
  const disc = new Path2D(), cross = new Path2D(), arm = 0.42 * size, tripped = kind === 2;
  disc.arc(x, y, size, 0, FULL_TURN);
  cross.moveTo(x - arm, y - arm);
  cross.lineTo(x + arm, y + arm);
  cross.moveTo(x - arm, y + arm);
  cross.lineTo(x + arm, y - arm);
  stroke(pen, disc, tripped ? colours.paper : colours.muted, tripped ? 4 : 2.2);
  fill(pen, disc, tripped ? colours.vermilion : colours.paper);
  stroke(pen, cross, tripped ? colours.paper : colours.muted, 1.9);
}

function drawChevrons(pen, place, colours, run, t) {
  const path = new Path2D(), rim = new Path2D();
  place.lines.forEach((line, e) => {
    const flow = at(run.loading[e], t), loading = Math.min(Math.abs(flow), 1), length = line.length * line.visible;
    if (loading <= LEAST_SHOWN || outageAt(run, e, t)) return;
    const room = Math.min(Math.max(length / 4, 1), END_ROOM); // on short lines too, they are full-sized on half the way
    const fits = Math.min(Math.max(length / (3 * place.chevronPx), 0.6), 1);
    const moved = (wayAt(run, e, t) * CHEVRON_SPEED * data.seconds_per_step) / Math.max(length, 1e-9);
    for (let i = 0; i < line.count; i++) {
      const spot = ((((i + 0.5) / line.count + moved) % 1) + 1) % 1, share = line.first + spot * line.visible;
      const [x, y] = onCurve(line, share);
      let ax = (1 - share) * (line.xb - line.x0) + share * (line.x1 - line.xb);
      let ay = (1 - share) * (line.yb - line.y0) + share * (line.y1 - line.yb);
      const norm = Math.sign(flow) / Math.max(Math.hypot(ax, ay), 1e-9), ends = (Math.min(spot, 1 - spot) * length) / room;
      [ax, ay] = [ax * norm, ay * norm];
      const size = fits * place.chevronPx * (0.6 + 0.4 * loading) * Math.min(Math.max(ends, 0.5), 1);
      addChevron(path, x, y, ax, ay, size);
      addChevron(rim, x, y, ax, ay, size + 1.5);
    }
  });
  fill(pen, rim, colours.paper);
  fill(pen, path, colours.ink);
}

function drawArcs(pen, place, colours, run, t) {
  const [short, unserved] = [run.shortShare, run.unservedShare].map((shares) => {
    const path = new Path2D();
    for (let n = 0; n < NODES; n++) {
      const share = at(shares[n], t);
      if (share > LEAST_SHOWN) addArc(path, place.x[n], place.y[n], place.radius[n] + place.gap, share);
    }
    return path;
  });
  pen.lineCap = "butt";
  stroke(pen, short, colours.paper, place.arc + 2);
  stroke(pen, short, colours.curtailed, place.arc);
  stroke(pen, unserved, colours.vermilion, place.arc);
}

function drawGauges(pen, place, colours, run, t) {
  for (const kind of KIND_NAMES) {
    const shape = corners(kind), path = new Path2D();
    if (!shape) continue;
    for (let n = 0; n < NODES; n++) {
      const part = data.kinds[n] === kind ? filled(shape, at(run.fill[n], t)) : [];
      if (part.length) trace(path, part, place.x[n], place.y[n], place.radius[n]);
    }
    fill(pen, path, colours[kind].full);
  }
}

/** A plant that is off is empty, with a dashed rim and a word. */
function drawOff(pen, colours, x, y, size) {
  const path = new Path2D();
  addNode(path, "source", x, y, size);
  stroke(pen, path, colours.paper, 3.5);
  fill(pen, path, colours.paper);
  pen.lineCap = "butt";
  pen.setLineDash([4, 3]);
  stroke(pen, path, colours.muted, 2);
  pen.setLineDash([]);
  pen.font = `bold 11px ${FONT}`;
  writeTexts(pen, [{ text: "off", x, y: y + size / 4 }], colours.paper, colours.ink);
}

/** Beside the middle of a line, on the side where it hides nothing; above, if there is such a side; none: undefined. */
function badgePlace(place, line, taken) {
  const [x, y] = onCurve(line, 0.5), away = 15 / line.length, dx = 1.35 * away * (line.y1 - line.y0);
  const dy = -away * (line.x1 - line.x0), up = dy > 0 ? -1 : 1;
  const spots = [up, -up].map((side) => [x + side * dx, y + side * dy]);
  return spots.find(([a, b]) => {
    const box = [a - 17, b - 7, a + 17, b + 7];
    const free = ![...place.labels, ...taken].some((other) => overlap(other.box, box)) && !covers(box, place);
    if (free) taken.push({ box });
    return free;
  });
}

/** The most overloaded lines carry their loading in words. */
function drawBadges(pen, place, colours, run, t) {
  const over = place.lines.map((line, e) => ({ line, loading: Math.abs(at(run.loading[e], t)), e }));
  const worst = over.filter(({ e, loading }) => lineState(run, e, t, loading) === 2).sort((a, b) => b.loading - a.loading);
  const taken = [], texts = [];
  for (const { line, loading } of worst.slice(0, 8)) {
    const [x, y] = badgePlace(place, line, taken) ?? [];
    if (x !== undefined) texts.push({ text: `${Math.max(Math.round(100 * loading), 101)}%`, x, y });
  }
  pen.font = `bold 11.5px ${FONT}`;
  writeTexts(pen, texts, colours.paper, colours.vermilion);
}
