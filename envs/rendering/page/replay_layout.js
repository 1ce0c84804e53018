// Where things of the network are on a canvas of a given size, what lies under a point, and where there is room.
// Lengths are CSS pixels.

const CURVE_DOTS = 14;

/** Where everything of the network is on a canvas of this width and, at most, this height. */
function layOut(width, mostHeight) {
  const fit = (view) => Math.min(width / view.width, mostHeight / view.height);
  const area = (view) => fit(view) ** 2 * view.width * view.height;
  const view = data.views.reduce((best, other) => (area(other) > area(best) ? other : best));
  const scale = fit(view);
  const left = (width - scale * view.width) / 2, grow = Math.min(scale, 1.25);
  const place = { width, height: Math.round(scale * view.height), view, grow };
  place.x = view.x.map((x) => left + scale * x);
  place.y = view.y.map((y) => scale * y);
  place.radius = look.radius.map((radius) => Math.max(radius * grow, 2.5));
  place.gap = look.arc_gap_px * grow;
  place.arc = Math.max(look.arc_px * grow, 2);
  place.linePx = Math.max(look.line_px * Math.min(grow, 1), 2.6);
  place.chevronPx = Math.max(look.chevron_px * Math.min(grow, 1), 3.4);
  place.bed = new Path2D();
  place.lines = data.from.map((a, e) => {
    const b = data.to[e], bend = view.bend[e];
    const line = { x0: place.x[a], y0: place.y[a], x1: place.x[b], y1: place.y[b], bent: Boolean(bend) };
    line.xb = bend ? left + scale * bend[0] : (line.x0 + line.x1) / 2;
    line.yb = bend ? scale * bend[1] : (line.y0 + line.y1) / 2;
    line.dots = Array.from({ length: CURVE_DOTS + 1 }, (_, i) => onCurve(line, i / CURVE_DOTS));
    line.length = 1e-9;
    for (let i = 0; i < CURVE_DOTS; i++) {
      line.length += Math.hypot(line.dots[i + 1][0] - line.dots[i][0], line.dots[i + 1][1] - line.dots[i][1]);
    }
    const outer = (n) => place.radius[n] + (data.load_max[n] > 0 ? place.gap + place.arc : place.gap);
    line.first = Math.min(outer(a) / line.length, 0.5);
    line.visible = Math.max(1 - line.first - outer(b) / line.length, 0);
    line.middle = onCurve(line, line.first + line.visible / 2); // of what is seen
    line.count = Math.max(1, Math.round((line.visible * line.length) / (LINES <= 60 ? 44 : 34)));
    addLine(place.bed, line);
    return line;
  });
  return place;
}

function onCurve(line, share) {
  const rest = 1 - share, a = rest * rest, b = 2 * share * rest, c = share * share;
  return [a * line.x0 + b * line.xb + c * line.x1, a * line.y0 + b * line.yb + c * line.y1];
}

function addLine(path, line) {
  path.moveTo(line.x0, line.y0);
  if (line.bent) path.quadraticCurveTo(line.xb, line.yb, line.x1, line.y1);
  else path.lineTo(line.x1, line.y1);
}

/** What lies under a point: a node before a line, the nearest first; null if nothing does. */
function thingAt(place, x, y, slack) {
  let best = null, least = slack;
  for (let n = 0; n < NODES; n++) {
    const away = Math.hypot(place.x[n] - x, place.y[n] - y) - place.radius[n];
    if (away < least) [best, least] = [{ kind: "node", index: n }, away];
  }
  if (best) return best;
  least = slack + place.linePx / 2;
  place.lines.forEach((line, e) => {
    for (let i = 0; i < CURVE_DOTS; i++) {
      const away = toSegment(line.dots[i], line.dots[i + 1], x, y);
      if (away < least) [best, least] = [{ kind: "line", index: e }, away];
    }
  });
  return best;
}

function toSegment([xa, ya], [xb, yb], x, y) {
  const dx = xb - xa, dy = yb - ya, square = dx * dx + dy * dy || 1e-9;
  const share = Math.min(Math.max(((x - xa) * dx + (y - ya) * dy) / square, 0), 1);
  return Math.hypot(xa + share * dx - x, ya + share * dy - y);
}

/** Where labels go: on the side chosen for them, or on another where there is more room; some get none. */
function placeLabels(pen, place) {
  if (!data.labels) return [];
  const size = Math.round(Math.max(10.5, Math.min(12, 12 * place.grow))), wide = place.linePx / 2;
  const taken = [], placed = [];
  const dots = place.lines.flatMap((line) => {
    const count = Math.ceil(line.length / 4);
    return Array.from({ length: count }, (_, i) => onCurve(line, i / count));
  });
  pen.font = `${size}px ${FONT}`;
  data.nodes.forEach((name, n) => {
    const text = name.length > 16 ? `${name.slice(0, 15)}…` : name, half = pen.measureText(text).width / 2 + 1;
    const outer = place.radius[n] + (data.load_max[n] > 0 ? place.gap + place.arc : 0);
    let best = null, least = Infinity;
    [place.view.side[n], 7, 1, 5, 3, 8, 6, 2, 0].forEach((side, rank) => {
      const sx = (side % 3) - 1, sy = Math.floor(side / 3) - 1, near = sx && sy ? 0.7 : 1;
      const x = place.x[n] + sx * (outer * near + half + 3), y = place.y[n] + sy * (outer * near + 0.6 * size + 2);
      const box = [x - half, y - 0.6 * size, x + half, y + 0.6 * size];
      const free = side !== 4 && box[0] >= 0 && box[2] <= place.width && box[1] >= 0 && box[3] <= place.height;
      if (!free || taken.some((other) => overlap(box, other)) || covers(box, place)) return;
      const cost = dots.filter(([dx, dy]) => overlap(box, [dx - wide, dy - wide, dx + wide, dy + wide])).length + rank / 10;
      if (cost < least) [best, least] = [{ text, x, y, box }, cost];
    });
    if (!best) return;
    taken.push(best.box);
    placed.push(best);
  });
  return placed;
}

function overlap(a, b) {
  return a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
}

function covers(box, place) {
  return place.x.some((x, n) => {
    const r = place.radius[n] - 1;
    return overlap(box, [x - r, place.y[n] - r, x + r, place.y[n] + r]);
  });
}
