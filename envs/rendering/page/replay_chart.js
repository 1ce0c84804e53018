// Small plots over time. A plot is {title, key, bands, lines, low, high}; each band or line holds its values by step.

const LEFT = 44, RIGHT = 8, TOP = 6, BOTTOM = 20;

/** A plot in the page: its title and key as text, its curves on a canvas; a click or drag on it calls seek. */
function makeChart(parent, describe, seek) {
  const figure = element(parent, "figure"), caption = element(figure, "figcaption");
  const canvas = element(figure, "canvas", "", "chart");
  canvas.setAttribute("role", "img");
  const chart = { canvas, caption, describe, layer: document.createElement("canvas") };
  const go = (event) => {
    const { left } = canvas.getBoundingClientRect();
    seek(Math.min(Math.max((event.clientX - left - LEFT) / (chart.width - LEFT - RIGHT), 0), 1) * (STEPS - 1));
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    go(event);
  });
  canvas.addEventListener("pointermove", (event) => event.buttons && go(event));
  return chart;
}

/** Give a canvas so many CSS pixels; returns a pen that draws in these. */
function sized(canvas, width, height) {
  const dots = Math.min(window.devicePixelRatio || 1, 2);
  canvas.width = Math.round(width * dots);
  canvas.height = Math.round(height * dots);
  const pen = canvas.getContext("2d");
  pen.setTransform(dots, 0, 0, dots, 0, 0);
  return pen;
}

/** Lay a chart out anew: for another size, other colours or another plot. */
function prepareChart(chart, colours) {
  const plot = chart.describe(colours);
  chart.plot = plot;
  chart.caption.textContent = "";
  element(chart.caption, "strong", plot.title);
  for (const { name, colour, dashed, area } of plot.key ?? []) {
    const word = element(chart.caption, "span"), mark = element(word, "i", "", area ? "area" : "");
    mark.style.background = dashed ? `repeating-linear-gradient(90deg, ${colour} 0 5px, transparent 5px 8px)` : colour;
    word.append(name);
  }
  chart.canvas.setAttribute("aria-label", `${plot.title}, from ${number(plot.least)} to ${number(plot.most)}`);
  [chart.width, chart.height] = [chart.canvas.clientWidth, chart.canvas.clientHeight];
  chart.pen = sized(chart.canvas, chart.width, chart.height);
  drawPlot(sized(chart.layer, chart.width, chart.height), chart, colours);
}

const acrossOf = (chart, t) => LEFT + ((chart.width - LEFT - RIGHT) * t) / Math.max(STEPS - 1, 1);
const upOf = (chart, value) => {
  const { low, high } = chart.plot;
  return chart.height - BOTTOM - ((chart.height - TOP - BOTTOM) * (value - low)) / (high - low);
};

function niceTicks(low, high) {
  const most = (high - low) / 2.2, power = 10 ** Math.floor(Math.log10(most));
  const gap = power * [5, 2.5, 2, 1].find((step) => step * power <= most * 1.001), ticks = [];
  for (let k = Math.ceil(low / gap - 1e-9); k * gap <= high + 1e-9 * gap; k++) ticks.push(k * gap);
  return ticks;
}

function drawPlot(pen, chart, colours) {
  const { plot, width, height } = chart, right = width - RIGHT, bottom = height - BOTTOM;
  pen.font = `10.5px ${FONT}`;
  pen.fillStyle = colours.muted;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  const rules = new Path2D(), marks = new Path2D();
  for (const value of niceTicks(plot.low, plot.high)) {
    const y = Math.round(upOf(chart, value)) + 0.5;
    rules.moveTo(LEFT, y);
    rules.lineTo(right, y);
    pen.fillText(Math.abs(value) >= 1e4 && Math.abs(value) < 1e6 ? `${number(value / 1000)}k` : number(value), LEFT - 6, y);
  }
  stroke(pen, rules, colours.faint, 1);
  for (const band of plot.bands ?? []) {
    fill(pen, bandPath(chart, band), band.colour);
  }
  pen.fillStyle = colours.muted;
  pen.textAlign = "center";
  marks.moveTo(LEFT + 0.5, TOP);
  marks.lineTo(LEFT + 0.5, bottom + 0.5);
  marks.lineTo(right, bottom + 0.5);
  for (const [position, words] of timeTicks(Math.max(2, Math.floor((right - LEFT) / 58)))) {
    const x = acrossOf(chart, position), half = pen.measureText(words).width / 2;
    marks.moveTo(x, bottom);
    marks.lineTo(x, bottom + 4);
    if (x + half <= width) pen.fillText(words, x, bottom + 12);
  }
  stroke(pen, marks, colours.rule, 1);
  pen.lineJoin = "round";
  for (const line of plot.lines) {
    pen.setLineDash(line.dashed ? [6, 4] : []);
    stroke(pen, linePath(chart, line.values, line.start), line.colour, line.thin ? 1 : 1.8);
  }
  pen.setLineDash([]);
}

/** A single step fills the plot. */
function linePath(chart, values, start = 0) {
  const path = new Path2D();
  values.forEach((value, t) => path[t ? "lineTo" : "moveTo"](acrossOf(chart, start + t), upOf(chart, value)));
  if (values.length === 1 && STEPS === 1) path.lineTo(acrossOf(chart, 1), upOf(chart, values[0]));
  return path;
}

function bandPath(chart, { low, high, start = 0 }) {
  const path = linePath(chart, high, start), last = Math.max(low.length - 1, 0);
  if (low.length === 1 && STEPS === 1) path.lineTo(acrossOf(chart, 1), upOf(chart, low[0]));
  for (let t = last; t >= 0; t--) path.lineTo(acrossOf(chart, start + t), upOf(chart, low[t]));
  path.closePath();
  return path;
}

function drawChart(chart, colours, t) {
  const { pen, plot } = chart, x = acrossOf(chart, t);
  pen.clearRect(0, 0, chart.width, chart.height);
  pen.drawImage(chart.layer, 0, 0, chart.width, chart.height);
  pen.fillStyle = colours.muted;
  pen.fillRect(x - 0.5, TOP, 1, chart.height - TOP - BOTTOM);
  for (const line of plot.lines) {
    if (line.thin || !line.values.length) continue;
    const dot = new Path2D();
    dot.arc(x, upOf(chart, at(line.values, t)), 4, 0, FULL_TURN);
    fill(pen, dot, line.colour);
    stroke(pen, dot, colours.paper, 1.3);
  }
}

/** A plot whose scale holds all its values, and zero. */
function plotOf(title, lines, bands = [], more = {}) {
  const values = [...lines.flatMap((line) => [...line.values]), ...bands.flatMap((band) => [...band.low, ...band.high])];
  const least = values.length ? Math.min(...values) : 0, most = values.length ? Math.max(...values) : 0;
  const low = Math.min(least, 0), high = Math.max(most, 0), margin = 0.08 * (high - low) || 0.5;
  const seen = bands.filter((band) => band.high.some((value, t) => value > band.low[t] + 1e-9));
  const key = [...lines, ...seen.map((band) => ({ ...band, area: true }))].filter((part) => part.name);
  return { title, lines, bands, key, least, most, low: low < 0 ? low - margin : 0, high: high + margin, ...more };
}

/** The same quantity of each run: one line, or two that differ in colour and dashes. */
function byRun(values, colours, alone = colours.ink) {
  return runs.map((run, i) => ({
    values: values(run),
    name: runs.length > 1 ? run.policy : "",
    colour: runs.length === 1 ? alone : i ? colours.other : colours.ink,
    dashed: i > 0,
  }));
}

/** What the plots over the whole width show; `expected` is what is forecast, see the live page. */
function stripPlots(expected = () => ({})) {
  const demandPlot = (colours) => {
    const total = data.demand_total, zero = total.map(() => 0), only = runs[0];
    if (runs.length > 1) {
      const short = byRun((run) => run.servedTotal, colours).map((line) => ({ ...line, name: `served by ${line.name}` }));
      return plotOf("Demand (MW)", [{ values: total, colour: colours.muted, name: "demand", thin: true }, ...short]);
    }
    const { demand: fan, supply } = expected(colours);
    const ahead = fan ? [{ ...fan.line, thin: true, dashed: true }, { ...supply.line, thin: true, dashed: true }] : [];
    return plotOf("Demand (MW)", [{ values: total, colour: colours.ink, name: "demand" }, ...ahead], [
      ...(fan ? [supply.band, fan.band] : []),
      { low: zero, high: only.servedTotal, colour: colours.served, name: "served" },
      { low: only.servedTotal, high: only.metTotal, colour: colours.curtailed, name: "demand cut" },
      { low: only.metTotal, high: total, colour: colours.vermilion, name: "unserved" },
    ]);
  };
  const storagePlot = (colours) => {
    const share = (values) => values.map((value) => 100 * value);
    const [, least, most] = runs[0].charge;
    const several = runs.length === 1 && data.store_max.filter((mwh) => mwh > 0).length > 1;
    const band = { low: share(least), high: share(most), colour: colours.band, name: "lowest to highest" };
    const lines = byRun((run) => share(run.charge[0]), colours, colours.green);
    if (several) lines[0].name = "mean";
    return plotOf("Storage (% charge)", lines, several ? [band] : [], { low: 0, high: 104 });
  };
  const rewardPlot = (colours) => plotOf("Reward per step", byRun((run) => run.reward, colours));
  const costPlot = (colours) => plotOf("Cost so far", byRun((run) => run.costSum, colours));
  const stored = data.store_max.some((mwh) => mwh > 0) ? [storagePlot] : [];
  return [demandPlot, ...stored, rewardPlot, ...(runs.length > 1 ? [costPlot] : [])];
}

/** The plots of a node or line. */
function plotsOf({ kind, index: i }) {
  const seen = (values) => values.subarray(0, known);
  const limit = (values, colours, name) => ({ values, name, colour: colours.muted, thin: true, dashed: true });
  const level = (value) => new Float64Array(STEPS).fill(value);
  if (kind === "line") {
    const most = data.capacity[i];
    const limits = (colours) => [limit(level(most), colours, "capacity"), limit(level(-most), colours)];
    return [(colours) => plotOf("Flow (MW)", [...byRun((run) => seen(run.flow[i]), colours), ...(most === null ? [] : limits(colours))])];
  }
  const plots = [];
  if (inAc) {
    const [least, most] = data.band.map((ends) => ends[i]), room = 0.1 * (most - least);
    const values = runs.flatMap((run) => [...seen(run.voltage[i])]).filter((pu) => pu > 0);
    const scale = { low: Math.min(least, ...values) - room, high: Math.max(most, ...values) + room };
    const limits = (colours) => [limit(level(most), colours, "limits"), limit(level(least), colours)];
    plots.push((colours) => plotOf("Voltage (pu)", [...limits(colours), ...byRun((run) => seen(run.voltage[i]), colours)], [], scale));
  }
  if (data.gen_max[i] > 0) {
    plots.push((colours) => plotOf("Output (MW)", [limit(seen(available[i]), colours, "available"), ...byRun((run) => seen(run.output[i]), colours)]));
  }
  if (data.load_max[i] > 0) {
    plots.push((colours) => plotOf("Served (MW)", [limit(seen(demand[i]), colours, "demand"), ...byRun((run) => seen(run.served[i]), colours, colours.blue)]));
  }
  if (data.store_max[i] > 0) {
    const room = level(data.store_max[i]);
    plots.push((colours) => plotOf("Stored (MWh)", [limit(room, colours, "capacity"), ...byRun((run) => seen(run.stored[i]), colours, colours.green)]));
    plots.push((colours) => plotOf("Discharge (MW; charging is below 0)", byRun((run) => seen(run.discharge[i]), colours, colours.green)));
  }
  return plots;
}
