// Voltages on the network, in AC: rings around nodes, and nodes that have none.

const voltageAt = (run, n, t) => run.voltage[n][Math.min(Math.floor(t + 1e-9), LAST)];

/** Rings around nodes, in the colour of where in its band the voltage lies. */
function drawRings(pen, place, colours, run, t) {
  const ring = NODES <= 60 ? 9.5 : 7; // their width, of which the outer half is seen
  for (let n = 0; n < NODES; n++) {
    const path = new Path2D(), [low, high] = data.band.map((ends) => ends[n]);
    const pu = voltageAt(run, n, t), share = Math.min(Math.max((pu - low) / Math.max(high - low, 1e-9), 0), 1);
    addNode(path, data.kinds[n], place.x[n], place.y[n], place.radius[n]);
    stroke(pen, path, colours.muted, ring + 1.6);
    stroke(pen, path, pu > 0 ? colours.voltage[Math.round(share * LEVELS)] : colours.dark, ring);
  }
}

/** Nodes without voltage, dark or collapsed, are black with a cross. */
function drawDark(pen, place, colours, run, t) {
  for (let n = 0; n < NODES; n++) {
    if (voltageAt(run, n, t) <= 0) drawDarkNode(pen, colours, data.kinds[n], place.x[n], place.y[n], place.radius[n]);
  }
}

function drawDarkNode(pen, colours, kind, x, y, size) {
  const body = new Path2D(), cross = new Path2D(), arm = 0.4 * size;
  addNode(body, kind, x, y, size);
  for (const way of [1, -1]) {
    cross.moveTo(x - arm, y - way * arm);
    cross.lineTo(x + arm, y + way * arm);
  }
  stroke(pen, body, colours.dark, 3);
  fill(pen, body, colours.dark);
  stroke(pen, cross, "#FFFFFF", 2);
}
