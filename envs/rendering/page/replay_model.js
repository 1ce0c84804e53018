// The episode: numbers unpacked, shares worked out, and words for them. Draws nothing.

let data, STEPS, NODES, LINES, LARGEST_MW, inAc, DAYS; // of the episode that is shown, see openEpisode
let known = 0, LAST = 0; // how many steps are known, and the last of them
let demand, available, runs;
const FASTEST = 1.25; // chevrons of overloaded lines get no faster than this

/** Make an episode the one that is shown; what happened in it is taken up by takeSteps. */
function takeGrid(given) {
  data = { ...given, demand_total: [] };
  [NODES, LINES, STEPS] = [data.nodes.length, data.lines.length, Math.max(data.steps, 1)];
  LARGEST_MW = Math.max(0, ...data.gen_max, ...data.load_max) || 1;
  inAc = data.band.length > 0;
  DAYS = Math.max(1, Math.ceil((data.start_hour + data.steps * data.dt_h) / 24 - 1e-9));
  [known, LAST] = [0, 0];
  const table = (count) => Array.from({ length: count }, () => new Float64Array(STEPS));
  [demand, available] = [table(NODES), table(NODES)];
  const twice = data.policies.length > 1 && data.policies[0] === data.policies[1];
  runs = data.policies.map((policy, i) => {
    const run = { policy: twice ? `${policy} (${i + 1})` : policy, charge: [[], [], []], voltage: null };
    for (const name of TOTALS) run[name] = [];
    for (const name of OF_NODES) run[name] = table(NODES);
    for (const name of OF_LINES) run[name] = table(LINES);
    if (inAc) [run.carried, run.voltage] = [table(LINES), table(NODES)];
    else run.carried = run.flow; // what the capacity limits: MW or, in AC, MVA
    return run;
  });
}

const OF_NODES = ["output", "spilled", "unserved", "curtailed", "discharge", "stored", "served", "fill", "unservedShare", "shortShare", "off"];
const OF_LINES = ["flow", "outage", "loading", "pace", "way"];
const TOTALS = ["reward", "unservedTotal", "curtailedTotal", "metTotal", "servedTotal", "returnSum", "costSum", "loss"];

/** Take up steps that happened; those that were known from the first of them on are forgotten. */
function takeSteps({ at: first, count, runs: given, ...more }) {
  forget(first + count);
  const add = (list, values) => list.splice(first, Infinity, ...values);
  add(data.demand_total, more.demand_total);
  unpack(demand, more.demand, first, count);
  unpack(available, more.available, first, count);
  runs.forEach((run, i) => {
    const raw = given[i];
    for (const name of OF_NODES.slice(0, 6)) unpack(run[name], raw[name], first, count);
    for (const name of inAc ? ["flow", "outage", "carried"] : ["flow", "outage"]) unpack(run[name], raw[name], first, count);
    unpack(run.off, raw.off ?? {}, first, count);
    if (inAc) unpack(run.voltage, raw.voltage, first, count);
    raw.charge_frac.forEach((values, part) => add(run.charge[part], values));
    add(run.reward, raw.reward);
    add(run.loss, raw.loss ?? []);
    add(run.unservedTotal, raw.unserved_total);
    add(run.curtailedTotal, raw.curtailed_total);
    for (let t = first; t < known; t++) workOut(run, t, raw.cost[t - first]);
  });
}

/** Only so many steps are known from now on. */
function forget(count) {
  [known, LAST] = [count, Math.max(count, 1) - 1];
  for (const list of [data.demand_total, ...runs.flatMap((run) => [...TOTALS.map((name) => run[name]), ...run.charge])]) {
    if (list.length > count) list.length = count;
  }
}

/** Write columns that came as {column: [exponent, first, change, change, ...]}; those that are absent are 0. */
function unpack(columns, packed, first, count) {
  columns.forEach((values, column) => {
    const row = packed[column];
    if (!row) return void values.fill(0, first, first + count);
    const unit = 10 ** Math.abs(row[0]);
    for (let t = 0, whole = 0; t < count; t++) {
      whole += row[t + 1];
      values[first + t] = row[0] < 0 ? whole / unit : whole * unit;
    }
  });
}

const ratio = (part, whole) => (whole > 1e-9 ? Math.min(Math.max(part / whole, 0), 1) : 0);

/** What follows from the numbers of a step: shares of nodes and lines, and sums so far. */
function workOut(run, t, cost) {
  run.metTotal[t] = Math.max(data.demand_total[t] - run.unservedTotal[t], 0); // served or curtailed
  run.servedTotal[t] = Math.max(run.metTotal[t] - run.curtailedTotal[t], 0);
  run.returnSum[t] = (t ? run.returnSum[t - 1] : 0) + run.reward[t];
  run.costSum[t] = (t ? run.costSum[t - 1] : 0) + cost;
  for (let n = 0; n < NODES; n++) {
    const mw = demand[n][t], served = Math.max(mw - run.unserved[n][t] - run.curtailed[n][t], 0), kind = data.kinds[n];
    run.served[n][t] = served;
    run.unservedShare[n][t] = ratio(run.unserved[n][t], mw);
    run.shortShare[n][t] = ratio(mw - served, mw);
    if (kind === "source") run.fill[n][t] = ratio(run.output[n][t], available[n][t]);
    if (kind === "storage") run.fill[n][t] = ratio(run.stored[n][t], data.store_max[n]);
  }
  for (let e = 0; e < LINES; e++) {
    const share = run.carried[e][t] / (data.capacity[e] ?? LARGEST_MW);
    run.loading[e][t] = share;
    run.pace[e][t] = Math.min(Math.max(share, -FASTEST), FASTEST);
    run.way[e][t] = t ? run.way[e][t - 1] + (run.pace[e][t] + run.pace[e][t - 1]) / 2 : 0;
  }
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
const hasCurtailed = () => runs.some((run) => run.curtailedTotal.some((mw) => mw > 1e-6));
const hasOutage = (kind) => runs.some((run) => run.outage.some((values) => values.includes(kind)));
const outageAt = (run, e, t) => run.outage[e][Math.min(Math.floor(t + 1e-9), LAST)];
const hasOff = () => runs.some((run) => run.off.some((values) => values.includes(1)));
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

/** A day of the episode, counted from 1: its date, if the series are dated. */
const dayName = (day) => data.dates[day - 1] ?? `day ${day}`;

function moment(t) {
  const { time, day } = clock(Math.floor(4 * t) / 4);
  return DAYS > 1 || data.dates.length ? `${dayName(day)} · ${time}` : time;
}

const TICK_H = [1 / 60, 1 / 12, 0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 672, 1344, 2688];

/** About so many round times of day: [[position in steps, words], ...]. */
function timeTicks(most) {
  const hours = Math.max(STEPS - 1, 1) * data.dt_h, first = data.start_hour, ticks = [];
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
    said.push(["output", run.off[i][now] ? "off" : mw(run.output[i][now])], ["available", mw(available[i][now])]);
    if (run.spilled[i][now] > 0) said.push(["spilled", mw(run.spilled[i][now])]);
  }
  if (data.load_max[i] > 0) {
    said.push(["demand", mw(demand[i][now])], ["served", percent(run.served[i][now], demand[i][now])]);
    if (run.curtailed[i][now] > 0) said.push(["demand cut", mw(run.curtailed[i][now])]);
    if (run.unserved[i][now] > 0) said.push(["unserved", mw(run.unserved[i][now])]);
  }
  if (data.store_max[i] > 0) {
    const power = run.discharge[i][now], stored = run.stored[i][now], most = data.store_max[i];
    said.push(["stored", `${number(stored)} of ${number(most)} MWh`], ["charge", percent(stored, most)]);
    const doing = power < 0 ? "charging" : "discharging";
    said.push(["power", power ? `${doing} ${mw(Math.abs(power))}` : "idle"]);
  }
  if (run.price) said.push(["price", `${number(run.price[i][now])} per MWh`]);
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
