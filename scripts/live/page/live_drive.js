// Drive: an episode whose steps come one by one. What is held is yours, the rest is the assistant's.

const drive = { units: [], coming: null, prices: [], asking: false, score: null, isPair: false, rows: [] };

/** The parts of the page beside the player. */
const operator = document.createElement("section");
operator.id = "operator";
operator.setAttribute("aria-label", "Units in your hands");
$("player").querySelector("main").append(operator);
const scores = document.createElement("section");
scores.id = "scores";
scores.setAttribute("aria-label", "Scores");
scores.hidden = true;
$("player").querySelector("main").prepend(scores);

function start() {
  say("making the episode");
  return ask("drive", {
    grid: gridOf(), assistant: $("assistant").value || "merit", steps: Number($("steps").value), seed: Number($("seed").value),
    storm: $("storm").checked,
  }).catch(refuse);
}

/** Nothing can be run: the faults of the grid in place of the player. What is wrong with the form alone leaves an episode as it is. */
async function refuse(error) {
  say(error.message, true);
  const { faults } = await ask("check", { grid: gridOf() }).catch(() => ({ faults: [] }));
  if (!faults.length && drive.coming) return null;
  play(false);
  Object.assign(drive, { coming: null, isStale: true });
  Object.assign(page, { more: null, asleep: true });
  $("player").hidden = true;
  for (const control of $("setup").elements) control.disabled = faults.length > 0 || control.id === "finish";
  const box = $("refused");
  box.replaceChildren();
  box.hidden = false;
  element(box, "h2", faults.length ? "The grid has faults: it cannot be run" : "No episode could be made");
  const list = element(box, "ul"), back = element(box, "button", "Back to Edit");
  for (const { text } of faults.length ? faults : [{ text: error.message }]) element(list, "li", text, "fault");
  back.type = "button";
  back.addEventListener("click", () => showTab("edit", true));
  if (faults.length) say(`${faults.length} ${faults.length === 1 ? "fault" : "faults"}`, true);
  return null;
}

told.episode = (message) => {
  Object.assign(drive, { units: message.units, prices: [], score: null, isPair: false, asking: false, isStale: false });
  scores.hidden = $("refused").hidden = true;
  operator.hidden = $("player").hidden = false;
  for (const control of $("setup").elements) control.disabled = false;
  page.asleep = $("drive").hidden;
  page.more = more;
  page.plots = () => [...stripPlots(expected), pricePlot];
  page.chose = chose;
  page.spare = 520;
  const wanted = $("assistant").value;
  $("assistant").replaceChildren();
  for (const name of message.assistants) option($("assistant"), name);
  $("assistant").value = message.assistants.includes(wanted) ? wanted : "merit";
  openEpisode(message.data);
  makeUnits(message.lines);
  play(false);
  takeUp(message);
  say(`${data.grid}: ${data.steps} steps, nothing decided yet. Space runs it, → makes one step.`);
};

told.step = (message) => {
  const before = known;
  takeUp(message);
  if (page.playing) return;
  seek(message.steps && known >= before ? LAST : page.t);
  if (known > before && !message.coming.over) {
    const [run] = runs, served = percent(run.servedTotal[LAST], data.demand_total[LAST]);
    say(`Step ${known}, ${moment(LAST)}: ${served} served, ${number(run.unservedTotal[LAST])} MW unserved, cost so far ${number(run.costSum[LAST])}.`);
  }
};

function takeUp(message) {
  const first = message.known - message.prices.length;
  if (message.steps) takeSteps(message.steps);
  forget(message.known);
  drive.prices.splice(first, Infinity, ...message.prices);
  drive.coming = message.coming;
  page.t = Math.min(page.t, LAST);
  refresh();
  showUnits();
  if (message.coming.over) finished();
  else if (drive.score) {
    drive.score = null; // it goes on from an earlier step
    scores.hidden = true;
    $("finish").disabled = false;
    strip.pop();
  }
}

/** Ask for the next step; whether there is one to wait for. */
function more() {
  if (drive.isPair || !drive.coming || drive.coming.over) return drive.asking;
  if (!drive.asking) {
    drive.asking = true;
    ask("step").catch((error) => {
      play(false);
      say(error.message, true);
    }).finally(() => (drive.asking = false));
  }
  return true;
}

/** The step that a decision is for: the coming one, or an earlier one if that is looked at. */
function atStep() {
  const isBehind = !page.playing && known > 1 && known - 1 - page.t > 1 - 1e-6;
  const at = isBehind ? Math.floor(page.t + 1e-6) + 1 : known;
  if (isBehind) say(`From step ${at + 1} on it is decided anew.`);
  return { at };
}

// --- units ---

function makeUnits(lines) {
  operator.replaceChildren();
  element(operator, "h2", "Your units");
  const list = element(operator, "div", "", "units");
  drive.rows = drive.units.map((unit, i) => {
    const row = element(list, "div", "", "unit"), label = element(row, "label", unit.name);
    const slider = element(row, "input"), value = element(row, "output"), free = element(row, "button", "auto");
    value.setAttribute("aria-live", "off"); // else every step would be read out unit by unit
    Object.assign(slider, { type: "range", id: `unit-${i}` });
    label.htmlFor = slider.id;
    label.title = `${unit.role}, ${number(unit.cost)} per MWh`;
    free.type = "button";
    free.setAttribute("aria-label", `${unit.name}: leave it to the assistant`);
    const send = seldom(100, (mw) => order("hold", { what: unit.what, node: unit.node, mw, ...atStep() }));
    slider.addEventListener("input", () => {
      row.classList.add("held");
      write(value, `${number(Number(slider.value))} MW`);
      send(Number(slider.value));
    });
    slider.addEventListener("change", () => order("hold", { what: unit.what, node: unit.node, mw: Number(slider.value), ...atStep() })); // let go: before what is pressed next
    free.addEventListener("click", () => send(null));
    return { row, slider, value, free };
  });
  const form = element(operator, "form", "", "tools");
  form.setAttribute("aria-label", "Break a line");
  const label = element(form, "label", "Line ");
  const list_ = element(label, "select"), hours = element(element(form, "label", "for h "), "input");
  list_.id = "broken-line";
  lines.forEach((name, e) => option(list_, e, name));
  Object.assign(hours, { type: "number", min: 1, max: 10000, value: 6, id: "broken-hours" });
  const button = element(form, "button", "Break it");
  button.id = "break";
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const line = Number(list_.value);
    order("break", { line, hours: Number(hours.value), ...atStep() }).then((done) => done && say(`${lines[line]} is out for ${hours.value} h.`));
  });
}

/** A line that is chosen in the picture is the one to break; of a node, its unit is in sight. */
function chose(thing) {
  if (thing?.kind === "line" && $("broken-line")) $("broken-line").value = thing.index;
  const unit = drive.units.findIndex(({ node }) => thing?.kind === "node" && node === thing.index);
  drive.rows.forEach(({ row }, i) => row.classList.toggle("chosen", i === unit));
  if (unit >= 0 && drive.rows[unit]) drive.rows[unit].row.scrollIntoView({ block: "nearest" });
}

function showUnits() {
  drive.rows.forEach(({ row, slider, value, free }, i) => {
    const [low, high, did, held, asked] = drive.coming.units[i], mw = held ?? did, isFixed = high - low < 1e-6;
    const isOther = held !== null && asked !== null && Math.abs(held - asked) < 1e-4 && number(did) !== number(asked);
    const words = isOther ? `asked ${number(asked)} MW, ran ${number(did)} MW` : `${number(mw)} MW`;
    row.classList.toggle("held", held !== null);
    free.disabled = held === null;
    Object.assign(slider, { min: low, max: high, step: Math.max((high - low) / 200, 1e-4), disabled: isFixed || drive.coming.over });
    if (document.activeElement !== slider || held === null) slider.value = Math.min(Math.max(mw, low), high);
    slider.setAttribute("aria-valuetext", `${words}, ${held === null ? "by the assistant" : "held by you"}`);
    write(value, words);
  });
}

// --- plots ---

function expected(colours) {
  const fan = drive.coming?.fan;
  if (!fan) return {};
  const part = (name, words, colour, fill_) => {
    const [low, mean, high] = fan[name];
    return { line: { values: mean, start: known, name: words, colour }, band: { low, high, start: known, colour: fill_ } };
  };
  return {
    demand: part("demand", "forecast", colours.ink, colours.rule),
    supply: part("supply", "possible", colours.green, colours.band),
  };
}

const pricePlot = (colours) => plotOf("Price of the dearest MWh", [{ values: drive.prices, colour: colours.ink }]);

// --- the end ---

async function finished() {
  if (drive.score || drive.isPair) return;
  play(false);
  $("finish").disabled = true;
  drive.score = "asked";
  say(`The episode is over: the others run it, too.`);
  const found = await order("score");
  if (found && drive.coming.over && !drive.isPair) showScore(found);
}

function showScore({ rows, above, bound, notes }) {
  scores.replaceChildren();
  scores.hidden = false;
  element(scores, "h2", "You, the others, the optimum");
  const table = element(element(scores, "div"), "table");
  table.setAttribute("aria-label", "Scores");
  const head = element(table, "tr");
  for (const word of ["", "cost", "gap % of reference", "score", "unserved MWh", "overload MWh"]) element(head, "th", word).scope = "col";
  drive.score = rows;
  for (const row of [...rows].sort((a, b) => a.cost - b.cost)) {
    const line = element(table, "tr", "", row.name === "you" ? "you" : "");
    element(line, "th", row.name).scope = "row";
    const score = row.score === null ? "–" : row.score.toFixed(1).replace("-", "−");
    const money = row.cost.toFixed(2).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
    for (const cell of [money, (100 * row.gap).toFixed(2), score, row.unserved.toFixed(2), row.overload.toFixed(2)]) element(line, "td", cell);
  }
  const yours = rows.find(({ name }) => name === "you");
  say(`Your score: ${yours.score === null ? "none: merit is as good as the optimum" : `${yours.score.toFixed(1).replace("-", "−")} of 100`}.`);
  const palette = (c) => ({ you: c.ink, merit: c.muted, mpc: c.blue, plan: c.green, agent: c.other, optimum: c.rule });
  const chart = (colours) => plotOf("Cost above the optimum, so far", Object.entries(above).map(([name, values]) => (
    { values, name, colour: palette(colours)[name] ?? colours.curtailed, dashed: name !== "you" && name !== "agent" })));
  const beside = table.parentElement;
  for (const note of [...notes, bound === "bound" ? "0 is the merit order, 100 the optimum with perfect foresight." : "The optimum is a reference here, no bound."]) element(beside, "p", note, "note");
  const tools = element(beside, "div", "", "tools"), watch = element(tools, "button", "Watch it beside the optimum"), keep = element(tools, "button", "Save as replay");
  watch.id = "watch";
  keep.id = "keep";
  watch.type = keep.type = "button";
  watch.addEventListener("click", () => order("watch", { name: $("assistant").value }));
  keep.addEventListener("click", () => order("keep"));
  strip.push(makeChart(scores, chart, seek));
  arrange();
}

told.pair = (message) => {
  drive.isPair = true;
  operator.hidden = scores.hidden = true;
  $("finish").disabled = true;
  Object.assign(page, { more: null, plots: null, chose: null, spare: 0 });
  openEpisode(message.data);
  takeSteps(message.steps);
  runs[1].price = message.prices;
  makeParts();
  arrange();
  play(true);
  say(`${data.policies.join(" beside ")}: the same episode. Start anew to drive again.`);
};

told.kept = ({ path }) => say(`Saved as ${path} in the working folder.`);

$("setup").addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});
$("finish").addEventListener("click", () => {
  play(false);
  order("finish", atStep()).then(() => seek(LAST));
});
$("assistant").addEventListener("change", () => {
  if (!drive.isPair && drive.coming && !drive.coming.over) order("assist", { name: $("assistant").value, ...atStep() });
});

let leaveEpisode = null; // brings the episode back that was shown before the sheet
entered.drive = (is) => {
  if (!is) {
    play(false);
    leaveEpisode = data ? keepEpisode() : null;
    return;
  }
  const wasStale = drive.isStale || !leaveEpisode;
  leaveEpisode?.();
  if (wasStale) start();
  else arrange();
  for (const { message, waits } of later.splice(0)) {
    if (drive.isStale) waits?.done(null);
    else take(message, waits);
  }
};
