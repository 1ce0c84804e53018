// Train: the ordinary command in a process of its own; its curve comes in while it runs. And the beginning of it all.

const training = { state: "none", curve: [] };

told.training = (message) => {
  Object.assign(training, { curve: [] }, message);
  const is = training.state === "running", last = training.curve.at(-1);
  $("stop").disabled = !is;
  $("begin").disabled = is;
  $("watch-agent").disabled = training.state !== "done";
  const cost = last && `cost ${last[2].toFixed(4)} of the reference after ${Math.round(last[1])} s (${last[0]})`;
  const begun = training.curve.length > 1 ? "" : "setting up; compiling can take minutes the first time";
  const best = Math.min(...training.curve.map((row) => row[2])).toFixed(4);
  const words = {
    running: `Training ${training.run} for ${training.seconds} s: ${[begun, cost].filter(Boolean).join("; ")}.`,
    done: `${training.run}: trained, its best costs ${best} of the reference.`,
    untrained: training.stopped ? `${training.run}: it was stopped before its first update, so the network is untrained.`
      : `${training.run}: no time was left to train. No update ran in ${training.seconds} s, so the network is untrained. Give it more seconds.`,
    failed: `It failed: ${training.said}`,
  };
  if (words[training.state]) write($("train-state"), words[training.state]);
  if (words[training.state] && !is) say(words[training.state], training.state !== "done");
  drawCurve();
};

function drawCurve() {
  const canvas = $("curve"), rows = training.curve, width = canvas.clientWidth, height = canvas.clientHeight;
  if (!width) return;
  const colours = readColours(), pen = sized(canvas, width, height), values = rows.map((row) => row[2]);
  if (!rows.length) return;
  const low = Math.min(1, ...values), high = Math.max(...values, low + 0.01), last = Math.max(training.seconds, rows.at(-1)[1]);
  const right = (s) => LEFT + 8 + ((width - LEFT - 20) * s) / last, up = (value) => height - 24 - ((height - 34) * (value - low)) / (high - low);
  const path = new Path2D(), rules = new Path2D();
  [pen.font, pen.fillStyle, pen.textAlign, pen.textBaseline] = [`10.5px ${FONT}`, colours.muted, "right", "middle"];
  for (const value of niceTicks(low, high)) {
    rules.moveTo(LEFT + 8, up(value));
    rules.lineTo(width - 12, up(value));
    pen.fillText(value.toPrecision(3), LEFT + 2, up(value));
  }
  pen.textAlign = "center";
  for (const s of niceTicks(0, last)) pen.fillText(`${s} s`, right(s), height - 8);
  stroke(pen, rules, colours.faint, 1);
  rows.forEach(([, s, value], i) => path[i ? "lineTo" : "moveTo"](right(s), up(value)));
  stroke(pen, path, colours.blue, 2);
  const dots = new Path2D();
  for (const [, s, value] of rows) {
    dots.moveTo(right(s) + 3, up(value));
    dots.arc(right(s), up(value), 3, 0, FULL_TURN);
  }
  fill(pen, dots, colours.blue);
  canvas.setAttribute("aria-label", `Learning curve: ${rows.map(([, s, value]) => `${value.toFixed(3)} after ${Math.round(s)} s`).join(", ")}`);
}

$("training").addEventListener("submit", (event) => {
  event.preventDefault();
  order("train", { grid: gridOf(), policy: $("network").value, seconds: Number($("seconds").value) }).then((done) => done && say("The training has begun."));
});
$("stop").addEventListener("click", () => order("stop").then(() => say("It stops after this update and keeps its best.")));
$("watch-agent").addEventListener("click", async () => {
  if (!(await order("agent"))) return;
  if (![...$("assistant").options].some((each) => each.value === "agent")) option($("assistant"), "agent");
  $("assistant").value = "agent";
  drive.isStale = false;
  leaveEpisode ??= () => {};
  showTab("drive", true);
  if ((await start()) && (await order("finish"))) await order("watch", { name: "agent" });
});
entered.train = (is) => is && drawCurve();

told.hello = (message) => {
  columns_ = message.columns;
  profiles.built_in = message.built_in;
  sheet.shapes = message.shapes;
  for (const name of message.names) option($("bundled"), name);
  option($("bundled"), "gen", "a generated one of 30 nodes");
  for (const name of ["merit", "redispatch", "plan", "mpc", ...(message.has_agent ? ["agent"] : [])]) option($("assistant"), name);
  $("assistant").value = message.has_agent ? "agent" : "merit";
  $("steps").value = message.steps;
  useTool("move");
  if (message.opened.is === "opened") openDoc(message.opened);
  else {
    told.new();
    say(message.opened.text, true);
  }
};
connect();
