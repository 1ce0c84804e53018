// The episode: numbers unpacked, shares worked out, and words for them. Draws nothing.

const data = JSON.parse(document.getElementById("data").textContent);
const STEPS = Math.max(data.steps, 1), LAST = STEPS - 1;
const NODES = data.nodes.length, LINES = data.lines.length;
const NOTHING = new Float64Array(STEPS);
const FASTEST = 1.25; // chevrons of overloaded lines get no faster than this
const LARGEST_MW = Math.max(0, ...data.gen_max, ...data.load_max) || 1;

function unpack(packed, count) {
  return Array.from({ length: count }, (_, column) => {
    const row = packed[column];
    if (!row) return NOTHING;
    const values = new Float64Array(STEPS), unit = 10 ** Math.abs(row[0]);
    for (let t = 0, whole = 0; t < STEPS; t++) {
      whole += row[t + 1];
      values[t] = row[0] < 0 ? whole / unit : whole * unit;
    }
    return values;
  });
}

function ratios(part, whole) {
  return Float64Array.from(part, (value, t) => (whole[t] > 1e-9 ? Math.min(Math.max(value / whole[t], 0), 1) : 0));
}

function sums(values) {
  let sum = 0;
  return Float64Array.from(values, (value) => (sum += value));
}

const demand = unpack(data.demand, NODES), available = unpack(data.available, NODES);

const inAc = data.band.length > 0;

const runs = data.runs.map((raw) => {
  const run = { policy: raw.policy, reward: raw.reward, charge: raw.charge_frac, unmetTotal: raw.unmet_total };
  run.curtailedTotal = raw.curtailed_total;
  for (const name of ["output", "spilled", "unmet", "curtailed", "discharge", "stored"]) run[name] = unpack(raw[name], NODES);
  run.flow = unpack(raw.flow, LINES);
  run.outage = unpack(raw.outage, LINES);
  run.metTotal = data.demand_total.map((mw, t) => Math.max(mw - raw.unmet_total[t], 0)); // served or curtailed
  run.servedTotal = run.metTotal.map((mw, t) => Math.max(mw - raw.curtailed_total[t], 0));
  run.served = demand.map((mw, n) => mw.map((value, t) => Math.max(value - run.unmet[n][t] - run.curtailed[n][t], 0)));
  run.returnSum = sums(raw.reward);
  run.costSum = sums(raw.cost);
  run.fill = data.kinds.map((kind, n) => {
    if (kind === "source") return ratios(run.output[n], available[n]);
    if (kind === "storage") return ratios(run.stored[n], new Float64Array(STEPS).fill(data.store_max[n]));
    return NOTHING;
  });
  run.unmetShare = run.unmet.map((mw, n) => ratios(mw, demand[n]));
  run.shortShare = run.served.map((mw, n) => ratios(mw.map((value, t) => demand[n][t] - value), demand[n]));
  run.carried = inAc ? unpack(raw.carried, LINES) : run.flow; // what the capacity limits: MW or, in AC, MVA
  run.voltage = inAc ? unpack(raw.voltage, NODES) : null;
  run.loss = raw.loss;
  run.loading = run.carried.map((mw, e) => mw.map((value) => value / (data.capacity[e] ?? LARGEST_MW)));
  run.pace = run.loading.map((shares) => shares.map((share) => Math.min(Math.max(share, -FASTEST), FASTEST)));
  run.way = run.pace.map((pace) => {
    const way = new Float64Array(STEPS);
    for (let t = 1; t < STEPS; t++) way[t] = way[t - 1] + (pace[t] + pace[t - 1]) / 2;
    return way;
  });
  return run;
});
if (runs.length > 1 && runs[0].policy === runs[1].policy) {
  runs[0].policy += " (1)";
  runs[1].policy += " (2)";
}

/** A series between two steps, where it changes evenly. */
function at(values, t) {
  const now = Math.floor(t);
  return now >= LAST ? values[LAST] : values[now] + (t - now) * (values[now + 1] - values[now]);
}

/** How far the flow of a line has moved on; 1 is one step at full loading. */
function wayAt(run, e, t) {
  const now = Math.min(Math.floor(t), LAST), part = t - now, pace = run.pace[e];
  return run.way[e][now] + part * pace[now] + (part ** 2 * (pace[Math.min(now + 1, LAST)] - pace[now])) / 2;
}

const OUTAGES = ["", "out of service", "tripped"];
const hasCurtailed = runs.some((run) => run.curtailedTotal.some((mw) => mw > 1e-6));
const hasOutage = (kind) => runs.some((run) => run.outage.some((values) => values.includes(kind)));
const outageAt = (run, e, t) => run.outage[e][Math.min(Math.floor(t + 1e-9), LAST)];
const linesOut = (run, now) => run.outage.filter((values) => values[now]).length;

/** 0 below capacity, 1 at capacity, 2 overloaded; lines that are out or without a capacity are never full. */
function lineState(run, e, t, loading) {
  if (data.capacity[e] === null || outageAt(run, e, t)) return 0;
  return loading > 1 + 1e-6 ? 2 : loading >= 0.95 ? 1 : 0;
}

function number(value) {
  const size = Math.abs(value);
  let text;
  const unit = [[1e12, "T"], [1e9, "G"], [1e6, "M"]].find(([least]) => size >= least);
  if (unit) text = `${+(value / unit[0]).toPrecision(3)}${unit[1]}`;
  else {
    const digits = size >= 99.5 || Number.isInteger(value) ? 0 : size >= 9.95 ? 1 : 2;
    text = value.toFixed(digits).replace(/\B(?=(\d{3})+(?!\d))/g, digits ? "" : ",");
  }
  return /[1-9]/.test(text) ? text.replace("-", "−") : "0";
}

/** Share in percent: 100% only where nothing is missing. */
function percent(part, whole) {
  if (whole <= 1e-9) return "–";
  const share = part / whole;
  return share >= 1 - 1e-6 || share < 0.99 ? `${Math.round(100 * share)}%` : `${Math.floor(1000 * share) / 10}%`;
}

function clock(t) {
  const minutes = Math.round((data.start_hour + t * data.dt_h) * 60);
  const two = (value) => String(value).padStart(2, "0");
  return { time: `${two(Math.floor(minutes / 60) % 24)}:${two(minutes % 60)}`, day: Math.floor(minutes / 1440) + 1 };
}

const DAYS = Math.max(1, Math.ceil((data.start_hour + data.steps * data.dt_h) / 24 - 1e-9));

/** A day of the episode, counted from 1: its date, if the series are dated. */
const dayName = (day) => data.dates[day - 1] ?? `day ${day}`;

function moment(t) {
  const { time, day } = clock(Math.floor(4 * t) / 4);
  return DAYS > 1 || data.dates.length ? `${dayName(day)} · ${time}` : time;
}

const TICK_H = [1 / 60, 1 / 12, 0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 672, 1344, 2688];

/** About so many round times of day: [[position in steps, words], ...]. */
function timeTicks(most) {
  const hours = Math.max(LAST, 1) * data.dt_h, first = data.start_hour, ticks = [];
  const spacing = TICK_H.find((h) => hours / h < most) ?? hours;
  for (let k = Math.ceil(first / spacing - 1e-9); k * spacing <= first + hours + 1e-9; k++) {
    const position = (k * spacing - first) / data.dt_h, { time, day } = clock(position);
    ticks.push([position, time === "00:00" && DAYS > 1 ? dayName(day) : time]);
  }
  return ticks;
}

/** What there is to say about a node or line at a moment: [[name, value], ...]. */
function facts(thing, run, t) {
  const now = Math.min(Math.floor(t + 1e-9), LAST), i = thing.index, mw = (value) => `${number(value)} MW`;
  if (thing.kind === "line") {
    const out = OUTAGES[run.outage[i][now]];
    if (out) return [["status", out], ["capacity", data.capacity[i] === null ? "none given" : mw(data.capacity[i])]];
    const flow = run.flow[i][now], ends = [data.nodes[data.from[i]], data.nodes[data.to[i]]];
    const said = [["flow", mw(Math.abs(flow))], ["towards", flow === 0 ? "–" : flow > 0 ? ends[1] : ends[0]]];
    if (data.capacity[i] === null) return [...said, ["capacity", "none given"]];
    const power = Math.abs(run.carried[i][now]), limit = number(data.capacity[i]);
    if (inAc) said.push(["apparent power", `${number(power)} MVA`]);
    return [...said, ["capacity", `${limit} ${inAc ? "MVA" : "MW"}`], ["loading", percent(power, data.capacity[i])]];
  }
  const said = inAc ? [["voltage", run.voltage[i][now] > 0 ? `${run.voltage[i][now].toFixed(3)} pu` : "none: dark or collapsed"]] : [];
  if (data.gen_max[i] > 0) {
    said.push(["output", mw(run.output[i][now])], ["available", mw(available[i][now])]);
    if (run.spilled[i][now] > 0) said.push(["spilled", mw(run.spilled[i][now])]);
  }
  if (data.load_max[i] > 0) {
    said.push(["demand", mw(demand[i][now])], ["served", percent(run.served[i][now], demand[i][now])]);
    if (run.curtailed[i][now] > 0) said.push(["curtailed", mw(run.curtailed[i][now])]);
    if (run.unmet[i][now] > 0) said.push(["unmet", mw(run.unmet[i][now])]);
  }
  if (data.store_max[i] > 0) {
    const power = run.discharge[i][now], stored = run.stored[i][now], most = data.store_max[i];
    said.push(["stored", `${number(stored)} of ${number(most)} MWh`], ["charge", percent(stored, most)]);
    const doing = power < 0 ? "charging" : "discharging";
    said.push(["power", power ? `${doing} ${mw(Math.abs(power))}` : "idle"]);
  }
  return said;
}

function nameOf(thing) {
  return thing.kind === "line" ? data.lines[thing.index] : data.nodes[thing.index];
}

/** The kind of a node; the ends of a line. */
function about(thing) {
  if (thing.kind === "node") return data.kinds[thing.index];
  return `line from ${data.nodes[data.from[thing.index]]} to ${data.nodes[data.to[thing.index]]}`;
}
