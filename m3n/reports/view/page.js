// The list, the clock, and what a visitor does. Names and sentences are written by textContent alone: they come from strangers.

const DATA = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const LISTED = 400;

const state = { number: -1, at: 0, playing: false, clip: null, shown: [], asked: 0 };
const seek = (seconds) => {
  if (!state.clip) return;
  state.at = Math.max(0, Math.min(seconds, state.clip.seconds));
  $("time").value = state.at;
  $("clock").textContent = `${clock(state.at)} / ${clock(state.clip.seconds)}`;
  for (const panel of panels) panel.seek(state.at);
};
const traces = new Traces($("plots"), $("legend"), seek);
const panels = [new Bands($("bands"), seek), traces, new Film($("film"))];
let scene = null;
if (DATA.body) {
  try { panels.push(scene = new Scene($("scene"), DATA.body)); } catch (error) { trouble(error.message); }
}

function clock(seconds) {
  if (seconds < 60) return `${seconds.toFixed(2)} s`;
  return `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;
}

function trouble(text) { $("trouble").textContent = text; $("trouble").hidden = !text; }

function made(kind, text, name) {
  const element = document.createElement(kind);
  element.textContent = text;
  if (name) element.className = name;
  return element;
}

function line([name, label, text, subject, , start, stop], number) {
  const item = document.createElement("li"), top = made("div", "", "top");
  const part = start > 0 || (DATA.entries[number + 1] || [])[0] === name;
  top.append(made("b", label || text || name), made("span", part ? `${clock(start)}–${clock(stop)}` : clock(stop - start)));
  item.append(top);
  if (label && text) item.append(made("div", text, "text"));
  item.append(made("small", [subject, name].filter(Boolean).join(" · ")));
  item.dataset.number = number;
  item.setAttribute("role", "option");
  item.setAttribute("aria-selected", number === state.number);
  return item;
}

function list() {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  state.shown = [];
  DATA.entries.forEach((entry, number) => {
    const text = entry.slice(0, 5).filter(Boolean).join(" ").toLowerCase();
    if (words.every((word) => text.includes(word))) state.shown.push(number);
  });
  $("list").replaceChildren(...state.shown.slice(0, LISTED).map((number) => line(DATA.entries[number], number)));
  const hidden = state.shown.length - LISTED;
  const plural = DATA.entries.length === 1 ? "entry" : "entries";
  $("count").textContent = (words.length ? `${state.shown.length} of ` : "") + `${DATA.entries.length} ${plural}` + (hidden > 0 ? `; ${hidden} more: search to see them` : "");
}

async function choose(number) {
  if (number === undefined || number === state.number) return;
  const asked = ++state.asked, entry = DATA.entries[number];
  let clip;
  try {
    clip = DATA.clips ? DATA.clips[number] : await asking(`/clip/${number}`);
  } catch (error) {
    if (asked === state.asked) trouble(error.message);
    return;
  }
  if (asked !== state.asked) return; // another one has been chosen since
  trouble("");
  state.number = number; state.clip = clip; state.at = 0;
  const [name, label, text, subject, source, start] = entry;
  $("label").textContent = label || name;
  $("text").textContent = text;
  $("facts").textContent = [name, subject && `person ${subject}`, source, start > 0 && `from ${clock(start)}`, clip.note].filter(Boolean).join(" · ");
  document.querySelector("main").classList.toggle("still", !clip.motion || !scene);
  $("scene").hidden = !clip.motion || !scene;
  $("time").max = clip.seconds;
  if (Object.keys(clip.beside).length && traces.mode === "axes" && !state.chosenMode) press("mode", "norm");
  for (const panel of panels) panel.show(clip);
  for (const item of $("list").children) item.setAttribute("aria-selected", Number(item.dataset.number) === number);
  $("list").querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  history.replaceState(null, "", `#${number}`);
  seek(0);
}

async function asking(path) {
  let answer;
  try { answer = await fetch(path); } catch { throw new Error("m3n view has ended: start it again and reload this page."); }
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

function press(group, value) {
  for (const button of $(group).querySelectorAll("button")) button.setAttribute("aria-pressed", button.dataset[group] === value);
  if (group === "mode") { traces.mode = value; traces.paint(); }
  if (group === "look") { scene.look = value; scene.seek(state.at); }
}

function play(on) {
  state.playing = on && Boolean(state.clip);
  $("play").textContent = state.playing ? "❚❚" : "▶";
  $("play").setAttribute("aria-label", state.playing ? "Pause" : "Play");
  if (!state.playing) return;
  if (state.at >= state.clip.seconds) seek(0);
  let before = performance.now();
  const step = (now) => {
    if (!state.playing) return;
    const next = state.at + (now - before) / 1000 * Number($("speed").value);
    before = now;
    seek(next);
    if (next >= state.clip.seconds) play(false); else requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}

$("place").textContent = DATA.title;
document.title = `${DATA.title} · m3n view`;
$("notice").textContent = DATA.notice;
$("notice").hidden = !DATA.notice;
$("search").addEventListener("input", list);
$("list").addEventListener("click", (e) => { const item = e.target.closest("li"); if (item) choose(Number(item.dataset.number)); });
$("play").addEventListener("click", () => play(!state.playing));
$("time").addEventListener("input", () => seek(Number($("time").value)));
$("mode").addEventListener("click", (e) => { if (e.target.dataset.mode) { state.chosenMode = true; press("mode", e.target.dataset.mode); } });
$("look").addEventListener("click", (e) => { if (e.target.dataset.look) press("look", e.target.dataset.look); });
$("zoom").addEventListener("click", (e) => { if (e.target.dataset.zoom) traces.zoom(Number(e.target.dataset.zoom)); });
document.addEventListener("keydown", (e) => {
  if (e.target.matches("select") || (e.target.matches("input") && e.target.id === "search") || e.ctrlKey || e.metaKey || e.altKey) return;
  const near = (by) => { const i = state.shown.indexOf(state.number) + by; return state.shown[Math.max(0, Math.min(i, state.shown.length - 1))]; };
  const does = {
    " ": () => play(!state.playing), ArrowLeft: () => seek(state.at - 1 / 30), ArrowRight: () => seek(state.at + 1 / 30),
    ArrowUp: () => choose(near(-1)), ArrowDown: () => choose(near(1)), Home: () => seek(0), End: () => seek(state.clip?.seconds),
  }[e.key];
  if (does) { e.preventDefault(); does(); }
});
list();
const wanted = Number(location.hash.slice(1));
choose(Number.isInteger(wanted) && wanted < DATA.entries.length ? wanted : DATA.entries.length ? 0 : undefined);
