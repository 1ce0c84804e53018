// The legend: a drawing and words for each kind of node and state of a line that the page shows.

function legendRows() {
  const has = (kind) => data.kinds.includes(kind), rows = [];
  const node = (kind, share, size = 9) => (pen, c) => {
    const path = new Path2D(), gauge = new Path2D(), shape = corners(kind);
    addNode(path, kind, 20, 11, size);
    fill(pen, path, c[kind].empty);
    if (shape) trace(gauge, filled(shape, share), 20, 11, size);
    fill(pen, gauge, c[kind].full);
    stroke(pen, path, c[kind].edge, 1.4);
  };
  const rule = (colour, width) => (pen, c) => {
    const path = new Path2D(`M4 11H36`);
    pen.lineCap = "round";
    colour(c).forEach((each, i) => stroke(pen, path, each, width[i]));
  };
  if (has("source")) rows.push([node("source", 0.6), "source: output of available"]);
  if (hasOff()) rows.push([(pen, c) => drawOff(pen, c, 20, 11, 9), "plant that is off"]);
  if (has("storage")) rows.push([node("storage", 0.5), "storage: charge"]);
  if (has("consumer")) rows.push([node("consumer", 0), "consumer: size is peak demand"]);
  if (data.load_max.some((mw) => mw > 0)) {
    const arc = (colour) => (pen, c) => {
      const path = new Path2D();
      node("consumer", 0, 5)(pen, c);
      addArc(path, 20, 11, 8.5, 0.4);
      stroke(pen, path, c[colour], 3);
    };
    rows.push([arc("vermilion"), "share of demand not met"]);
    if (hasCurtailed()) rows.push([arc("curtailed"), "share of demand cut"]);
  }
  if (has("junction")) rows.push([node("junction", 0, 4.5), "junction"]);
  if (data.capacity.some((mw) => mw !== null)) {
    rows.push([(pen, c) => {
      for (let level = 0; level <= LEVELS; level++) {
        const half = 0.8 + (2.6 * level) / LEVELS;
        pen.fillStyle = c.loading[level];
        pen.fillRect(3 + (33 * level) / LEVELS, 11 - half, 33 / LEVELS + 0.3, 2 * half);
      }
    }, "line: loading 0 to 100%"]);
    rows.push([rule((c) => [c.halo, c.loading[LEVELS]], [10, 5]), "at capacity (≥ 95%)"]);
    rows.push([rule((c) => [c.loading[LEVELS], c.vermilion], [9, 5]), "overloaded (> 100%)"]);
  }
  if (data.capacity.some((mw) => mw === null)) rows.push([rule((c) => [c.unlimited], [4]), "no capacity given"]);
  if (LINES) {
    rows.push([(pen, c) => {
      rule(() => [c.loading[LEVELS / 2]], [4])(pen, c);
      const path = new Path2D();
      for (const x of [10, 20, 30]) addChevron(path, x, 11, 1, 0, 5);
      stroke(pen, path, c.paper, 2);
      fill(pen, path, c.ink);
    }, "direction of flow"]);
  }
  if (inAc) {
    const ends = data.band.map((values) => (values.every((pu) => pu === values[0]) ? values[0].toFixed(2) : ""));
    const words = ends[0] && ends[1] ? `${ends[0]} to ${ends[1]} pu` : "lower to upper end of its band";
    rows.push([(pen, c) => {
      for (let level = 0; level <= LEVELS; level++) {
        pen.fillStyle = c.voltage[level];
        pen.fillRect(3 + (33 * level) / LEVELS, 7, 33 / LEVELS + 0.3, 8);
      }
    }, `ring: voltage, ${words}`]);
    if (runs.some((run) => run.voltage.some((values) => values.subarray(0, known).includes(0)))) {
      rows.push([(pen, c) => drawDarkNode(pen, c, "consumer", 20, 11, 8), "dark or collapsed"]);
    }
  }
  for (const kind of [2, 1].filter(hasOutage)) {
    rows.push([(pen, c) => {
      const path = new Path2D("M3 11H37"), colour = kind === 2 ? c.vermilion : c.muted;
      pen.setLineDash([7, 4]);
      stroke(pen, path, colour, 3);
      pen.setLineDash([]);
      drawOutageMark(pen, c, kind, 20, 11, 6.5);
    }, OUTAGES[kind]]);
  }
  return rows;
}
