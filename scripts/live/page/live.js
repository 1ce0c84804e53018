// The live page: its socket, its tabs, and who is told what comes in. The player, in front of this, draws episodes.

page.asleep = true;
const told = {}; // what is done with a message, by its kind
const waiting = new Map(); // for the answer to a message, by its number
const later = []; // answers about an episode, which come in while the sheet has borrowed the player
const OF_EPISODES = ["drive", "step", "finish", "hold", "assist", "break", "score", "watch"];
let socket = null, number_ = 0;

function say(text, isBad = false) {
  write($("status"), text);
  $("status").className = isBad ? "bad" : "";
}

/** Send a message; the promise brings the answer, and is refused with the words of the server. */
function ask(what, more = {}) {
  return new Promise((done, refuse) => {
    if (socket?.readyState !== WebSocket.OPEN) return refuse(new Error("not connected"));
    const id = ++number_;
    waiting.set(id, { done, refuse });
    socket.send(JSON.stringify({ do: what, id, ...more }));
  });
}

/** The same for what a button does: refusals are said. */
const order = (what, more) => ask(what, more).catch((error) => (say(error.message, true), null));

function take(message, waits) {
  if (message.is === "refused") {
    if (waits) waits.refuse(Object.assign(new Error(message.text), { faults: message.faults }));
    else say(message.text, true);
  } else {
    told[message.is]?.(message);
    waits?.done(message);
  }
}

function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/socket`);
  socket.onmessage = ({ data: text }) => {
    const message = JSON.parse(text), waits = waiting.get(message.id);
    waiting.delete(message.id);
    if (OF_EPISODES.includes(message.of) && $("drive").hidden) later.push({ message, waits });
    else take(message, waits);
  };
  socket.onclose = () => {
    for (const { refuse } of waiting.values()) refuse(new Error("the connection is closed"));
    waiting.clear();
    say("The connection is closed. Start load-balancer live again, or reload the page if it runs.", true);
    document.body.classList.add("closed");
  };
}

// --- tabs ---

const TABS = ["edit", "drive", "train"];
const entered = {}; // what happens when a tab is shown or left

function showTab(name, focus = false) {
  const before = TABS.find((tab) => !$(tab).hidden);
  if (before !== name) entered[before]?.(false);
  for (const tab of TABS) {
    const is = tab === name, button = $(`tab-${tab}`);
    $(tab).hidden = !is;
    button.setAttribute("aria-selected", is);
    button.tabIndex = is ? 0 : -1;
    if (is && focus) button.focus();
  }
  page.asleep = name !== "drive";
  if (before !== name) entered[name]?.(true);
}

TABS.forEach((tab, i) => {
  $(`tab-${tab}`).addEventListener("click", () => showTab(tab));
  $(`tab-${tab}`).addEventListener("keydown", (event) => {
    const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    event.stopPropagation();
    showTab(TABS[(i + way + TABS.length) % TABS.length], true);
  });
});

/** A button that the mouse has pressed leaves the keys to the player, as → of tabs and the space bar of buttons. */
document.addEventListener("click", (event) => event.detail && event.target.closest("button")?.blur());

/** A row of options, which forms fill. */
function option(list, value, text = value) {
  const made = element(list, "option", text);
  made.value = value;
  return made;
}

/** Call with what came first and then with what came last, never sooner than so many milliseconds after the last call is done. */
function seldom(ms, work) {
  let last = null, isOn = false;
  return async (...given) => {
    last = given;
    if (isOn) return;
    isOn = true;
    while (last) {
      const due = last;
      last = null;
      await work(...due);
      await new Promise((done) => setTimeout(done, ms));
    }
    isOn = false;
  };
}
