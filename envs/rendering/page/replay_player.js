// The player: its parts, what they show at a moment, and what the reader does to them. openEpisode makes them.

const $ = (id) => document.getElementById(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const page = { t: 0, playing: false, chosen: null, pointed: null, colours: null, charts: [], before: 0 };
/* A page that gets its steps as they come sets page.more, which asks for the next one and says whether there is one,
   page.plots, what it shows over time, page.chose, told what is chosen, page.spare, the height that it needs for other
   things, and page.asleep while it shows something else. */
let panels = [], strip = [], legend = [];

function element(parent, tag, text = "", className = "") {
  const made = parent.appendChild(document.createElement(tag));
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
}

/** Text that changes often is written only when it does. */
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// --- parts ---

function makePanel(run) {
  const section = element($("panels"), "section", "", "run"), head = element(section, "div", "", "figures");
  section.setAttribute("aria-label", `Policy ${run.policy}`);
  const figure = (name, className = "") => {
    const box = element(head, "p", "", className), value = element(box, "b");
    element(box, "span", name);
    return value;
  };
  const panel = { run, section };
  figure("policy", "policy").textContent = run.policy;
  panel.served = figure("served", "served");
  if (hasCurtailed()) panel.curtailed = figure("demand cut");
  panel.unserved = figure("unserved");
  if (hasOutage(1) || hasOutage(2)) panel.out = figure("lines out");
  if (inAc) panel.loss = figure("losses");
  panel.cost = figure("cost so far");
  panel.total = figure("return so far");
  panel.canvas = element(section, "canvas", "", "network");
  panel.canvas.setAttribute("role", "img");
  panel.canvas.setAttribute("aria-label", `The grid under ${run.policy}; nodes and lines are in the list “Look at”`);
  const here = (event, slack) => {
    const { left, top } = panel.canvas.getBoundingClientRect();
    return thingAt(panel.place, event.clientX - left, event.clientY - top, slack);
  };
  panel.canvas.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse") point(here(event, 5), panel, event);
  });
  panel.canvas.addEventListener("pointerleave", () => point(null, panel));
  panel.canvas.addEventListener("click", (event) => {
    const thing = here(event, event.pointerType === "touch" ? 12 : 5);
    choose(thing);
    point(thing, panel, event);
  });
  return panel;
}

const count = (number_, one, many) => (number_ ? [`${number_} ${number_ === 1 ? one : many}`] : []);
const many = { source: "sources", storage: "storages", consumer: "consumers", junction: "junctions" };

/** Show an episode; a page that gets its steps as they come calls takeSteps and then refresh. */
function openEpisode(given) {
  takeGrid(given);
  look = data.look;
  if (given.runs) takeSteps(given);
  page.t = 0;
  write($("grid"), data.grid);
  const counts = KIND_NAMES.flatMap((kind) => count(data.kinds.filter((other) => other === kind).length, kind, many[kind]));
  write($("counts"), [...counts, ...count(LINES, "line", "lines"), ...count(data.steps, "step", "steps")].join(" · "));
  document.body.classList.toggle("pair", runs.length > 1);
  listThings($("choose"), data.nodes, data.lines);
  makeParts();
  choose(null);
}

/** Fill a list with the names of nodes and lines, after its first option. */
function listThings(list, nodes, lines) {
  list.replaceChildren(list.firstElementChild);
  for (const [label, kind, names] of [["Nodes", "node", nodes], ["Lines", "line", lines]]) {
    if (!names.length) continue;
    const group = element(list, "optgroup");
    group.label = label;
    names.forEach((name, i) => (element(group, "option", name || "–").value = `${kind} ${i}`));
  }
}

/** Panels, plots and legend, for what the episode has by now. */
function makeParts() {
  for (const id of ["panels", "strip", "legend"]) $(id).replaceChildren();
  page.said = partsNeeded();
  page.colours = readColours();
  panels = runs.map(makePanel);
  strip = (page.plots ?? stripPlots)().map((describe) => makeChart($("strip"), describe, seek));
  legend = legendRows().map(([draw, words]) => {
    const row = element($("legend"), "li"), canvas = element(row, "canvas");
    canvas.setAttribute("aria-hidden", "true");
    element(row, "span", words);
    return { draw, canvas };
  });
  $("time").max = STEPS - 1;
}

const partsNeeded = () => [hasCurtailed(), hasOutage(1), hasOutage(2)].join();

/** After new steps: parts that they need, and everything drawn anew. */
function refresh() {
  if (page.said === partsNeeded()) {
    for (const chart of [...strip, ...page.charts]) prepareChart(chart, page.colours);
    show();
  } else {
    makeParts();
    arrange();
  }
}

// --- showing ---

/** Lay everything out for the size and colours of now. */
function arrange() {
  page.colours = readColours();
  const most = Math.max(300, window.innerHeight - (page.spare || (runs.length > 1 ? 330 : 310)));
  for (const panel of panels) {
    const width = panel.section.clientWidth;
    panel.place = layOut(width, width < 500 ? 1.2 * width : most);
    panel.canvas.style.height = `${panel.place.height}px`;
    panel.pen = sized(panel.canvas, width, panel.place.height);
    panel.place.layers = makeLayers(panel.place, page.colours);
  }
  for (const chart of [...strip, ...page.charts]) prepareChart(chart, page.colours);
  for (const { draw, canvas } of legend) draw(sized(canvas, 40, 22), page.colours);
  show();
}

function show() {
  const t = calm.matches ? Math.floor(page.t + 1e-9) : page.t, now = Math.min(Math.floor(t + 1e-9), LAST);
  const marked = [page.chosen, page.pointed?.thing].filter(Boolean), total = data.demand_total[now] ?? 0;
  for (const panel of panels) {
    const { pen, place, run } = panel;
    drawNetwork(pen, place, page.colours, run, t, marked);
    const unserved = run.unservedTotal[now] ?? 0;
    write(panel.served, percent(run.servedTotal[now] ?? 0, total));
    if (panel.curtailed) {
      const cut = run.curtailedTotal[now] ?? 0;
      write(panel.curtailed, `${number(cut)} MW`);
      panel.curtailed.className = cut > 0.005 ? "cut" : "none";
    }
    write(panel.unserved, `${number(unserved)} MW`);
    panel.unserved.className = unserved > 0.005 ? "bad" : "none";
    if (panel.out) {
      const out = linesOut(run, now);
      write(panel.out, String(out));
      panel.out.className = out ? "bad" : "none";
    }
    if (panel.loss) write(panel.loss, `${number(run.loss[now] ?? 0)} MW`);
    write(panel.cost, number(run.costSum[now] ?? 0));
    write(panel.total, number(run.returnSum[now] ?? 0));
  }
  for (const chart of [...strip, ...page.charts]) drawChart(chart, page.colours, t);
  const time = moment(t), step = `step ${Math.min(now + 1, known, data.steps)} of ${data.steps}`;
  write($("clock"), time);
  write($("step"), step);
  $("time").value = page.t;
  $("time").setAttribute("aria-valuetext", `${step}, ${time}`);
  showValues(t);
  if (page.pointed) fillTip(t);
}

/** One row a fact, one column a run. */
function showValues(t) {
  const said = page.chosen ? runs.map((run) => facts(page.chosen, run, t)) : [];
  const names = [...new Set(said.flatMap((each) => each.map(([name]) => name)))];
  const rows = names.map((name) => [name, ...said.map((each) => each.find(([other]) => other === name)?.[1] ?? "–")]);
  if (runs.length > 1 && rows.length) rows.unshift(["", ...runs.map((run) => run.policy)]);
  const text = JSON.stringify(rows);
  if (text === page.values) return;
  page.values = text;
  $("values").replaceChildren();
  if (!page.chosen) return;
  element($("values"), "p", about(page.chosen));
  const table = element($("values"), "table");
  for (const [name, ...values] of rows) {
    const row = element(table, "tr");
    element(row, "th", name).scope = "row";
    for (const value of values) element(row, "td", value);
  }
}

function fillTip(t) {
  const { thing, panel } = page.pointed, said = facts(thing, panel.run, t);
  const text = JSON.stringify([thing, said]);
  if (text === page.tip) return;
  page.tip = text;
  $("tip").replaceChildren();
  element($("tip"), "b", nameOf(thing) || "–");
  element($("tip"), "span", about(thing));
  for (const [name, value] of said) element($("tip"), "span", `${name} ${value}`);
}

function point(thing, panel, event) {
  const same = thing?.kind === page.pointed?.thing.kind && thing?.index === page.pointed?.thing.index;
  page.pointed = thing && { thing, panel };
  if (!same) {
    panel.canvas.style.cursor = thing ? "pointer" : "";
    $("tip").hidden = !thing;
    show();
  }
  if (!thing) return;
  const { offsetWidth: width, offsetHeight: height } = $("tip"), edge = document.documentElement.clientWidth;
  const under = event.clientY + 18 + height <= window.innerHeight;
  $("tip").style.left = `${Math.max(6, Math.min(event.clientX + 14, edge - width - 6))}px`;
  $("tip").style.top = `${under ? event.clientY + 18 : Math.max(6, event.clientY - height - 12)}px`;
}

// --- doing ---

function choose(thing) {
  page.chosen = thing;
  page.values = null;
  $("choose").value = thing ? `${thing.kind} ${thing.index}` : "";
  $("series").replaceChildren();
  page.chose?.(thing);
  page.charts = thing ? plotsOf(thing).map((describe) => makeChart($("series"), describe, seek)) : [];
  arrange();
}

function seek(t) {
  page.t = Math.min(Math.max(t, 0), LAST);
  show();
}

function play(on) {
  page.playing = on;
  if (on && page.t >= LAST && !page.more?.()) page.t = 0;
  write($("play"), on ? "❚❚" : "►");
  $("play").setAttribute("aria-label", on ? "Pause" : "Play");
  $("values").setAttribute("aria-live", on ? "off" : "polite");
  page.before = performance.now();
  show();
  if (on) requestAnimationFrame(tick);
}

function tick(now) {
  if (!page.playing) return;
  const pace = Number($("speed").value) / data.seconds_per_step;
  seek(page.t + (Math.max(now - page.before, 0) / 1000) * pace);
  page.before = now;
  if (page.t >= LAST && !page.more?.()) play(false);
  else requestAnimationFrame(tick);
}

function stepBy(steps) {
  play(false);
  if (steps > 0 && page.t >= LAST) page.more?.();
  seek(steps > 0 ? Math.floor(page.t + 1e-6) + steps : Math.ceil(page.t - 1e-6) + steps);
}

const KEYS = {
  " ": () => play(!page.playing),
  ArrowRight: () => stepBy(1),
  ArrowLeft: () => stepBy(-1),
  Home: () => seek(0),
  End: () => seek(LAST),
  Escape: () => choose(null),
};

document.addEventListener("keydown", (event) => {
  const act = KEYS[event.key], { tagName, id } = event.target;
  if (!act || event.ctrlKey || event.altKey || event.metaKey || page.asleep || /SELECT|TEXTAREA/.test(tagName)) return;
  if (tagName === "INPUT" && id !== "time") return;
  if (event.key === " " && tagName === "BUTTON" && id !== "play") return;
  event.preventDefault();
  if (!event.repeat || event.key.startsWith("Arrow")) act();
});
$("play").addEventListener("keyup", (event) => event.key === " " && event.preventDefault());
$("play").addEventListener("click", () => play(!page.playing));
$("back").addEventListener("click", () => stepBy(-1));
$("forward").addEventListener("click", () => stepBy(1));
$("time").addEventListener("input", () => seek(Number($("time").value)));
$("choose").addEventListener("change", () => {
  const [kind, index] = $("choose").value.split(" ");
  choose(kind ? { kind, index: Number(index) } : null);
});
const rearrange = () => data && !page.asleep && arrange();
for (const query of [matchMedia("(prefers-color-scheme: dark)"), calm]) query.addEventListener("change", rearrange);
window.addEventListener("resize", rearrange);
new ResizeObserver(([{ contentRect }]) => {
  if (contentRect.width !== page.width) requestAnimationFrame(rearrange); // a scroll bar came or went
  page.width = contentRect.width;
}).observe($("panels"));
