"use strict";
// The console. Each source is asked by a loop of its own, so that one that fails takes nothing else with it. All that a
// server sends goes into the page as text, never as markup.

const WAIT_MS = 8000;
const $ = (id) => document.getElementById(id);
const FEW = 12; // decisions that are shown before somebody asks for more
const state = { service: "", models: {}, kinds: [], points: [], step: 5, views: {}, open: new Set(), signature: "", all: false };

/* ---- building the page ---- */

function el(tag, attributes, ...children) {
  const svg = ["svg", "path", "line", "circle", "title"].includes(tag);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((one) => one !== null && one !== undefined && one !== false));
  return node;
}

const table = (head, rows) => [
  el("thead", {}, el("tr", {}, ...head.map(([name, kind]) => el("th", { scope: "col", class: kind }, name)))),
  el("tbody", {}, ...rows),
];

/* ---- words and numbers ---- */

function count(n, digits = 0) {
  if (n === null || n === undefined) return "–";
  return Number(n).toLocaleString("en", { maximumFractionDigits: digits });
}

function rate(n) {
  return n >= 100 ? count(n) : n >= 1 ? count(n, 1) : count(n, 2);
}

function ms(n) {
  return n === null || n === undefined ? "–" : n >= 100 ? count(n) : n >= 10 ? n.toFixed(1) : n.toFixed(2);
}

function percent(share) {
  if (share === null || !isFinite(share)) return "–";
  return share > 0 && share < 0.001 ? "< 0.1 %" : `${(100 * share).toFixed(share === 0 || share === 1 ? 0 : 1)} %`;
}

function age(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const past = Math.abs(seconds);
  if (past < 1) return `${Math.round(past * 1000)} ms`;
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (past >= size) return `${(past / size).toFixed(past / size < 10 ? 1 : 0)} ${unit}`;
  }
  return `${past.toFixed(1)} s`;
}

// Events may be ahead of the clock: simulated ones that are played faster than they happen.
const behind = (seconds) => (seconds !== null && seconds < 0 ? `${age(seconds)} ahead` : age(seconds));
const old = (seconds) => (seconds < 0 ? `${age(seconds)} ahead of the clock` : `${age(seconds)} old`);

function bytes(n) {
  for (const [size, unit] of [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]]) if (n >= size) return `${(n / size).toFixed(1)} ${unit}`;
  return `${n} B`;
}

function value(given) {
  if (given === null || given === undefined) return "none";
  if (typeof given === "number") return Number.isInteger(given) ? String(given) : String(Number(given.toPrecision(6)));
  if (typeof given === "string") return /^\d{4}-\d\d-\d\dT/.test(given) ? moment(given) : given;
  return Array.isArray(given) ? (given.length ? given.map(value).join(", ") : "empty") : JSON.stringify(given);
}

const moment = (iso) => (iso ? iso.slice(0, 19).replace("T", " ") : "–");
const clock = (iso) => (iso ? iso.slice(11, 19) : "–");
const score = (n) => (n === null || n === undefined ? "–" : n === 0 || Math.abs(n) >= 0.001 ? n.toFixed(3) : Math.abs(n) < 1e-5 ? "< 0.00001" : String(Number(n.toPrecision(1))));

/* ---- asking ---- */

async function ask(path) {
  const key = sessionStorage.getItem("key");
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), WAIT_MS);
  try {
    const answer = await fetch(path, { signal: stop.signal, cache: "no-store", headers: key ? { authorization: `Bearer ${key}` } : {} });
    if (answer.status === 401 || answer.status === 403) $("key").hidden = false;
    const body = await answer.json().catch(() => null);
    if (!answer.ok) {
      const failed = new Error((body && body.error && body.error.message) || `${path} answers ${answer.status}`);
      failed.status = answer.status;
      throw failed;
    }
    return body;
  } catch (error) {
    if (error.name === "AbortError") throw new Error(`no answer from ${path} in ${WAIT_MS / 1000} s`);
    if (error instanceof TypeError) throw new Error(`${path} cannot be reached; still trying`);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function trouble(id, message) {
  const section = $(id);
  const line = section.querySelector(".trouble");
  if (line.textContent !== (message || "")) line.textContent = message || "";
  line.hidden = !message;
  section.classList.toggle("old", Boolean(message));
}

function repeat(id, seconds, path, show) {
  async function once() {
    if (!document.hidden) {
      try {
        show(await ask(path()));
        trouble(id, "");
      } catch (error) {
        if (error.status === 404 && id === "experiments") $(id).hidden = true;
        else trouble(id, error.message);
        if (id === "now") pulse(false);
      }
    }
    setTimeout(once, seconds * 1000);
  }
  once();
}

function pulse(well) {
  $("pulse").classList.toggle("bad", !well);
  $("pulse").textContent = well ? "live" : "no answer";
}

/* ---- now ---- */

const per = (of, over) => (point) => (over(point) ? of(point) / over(point) : null);
const hits = (point) => Object.entries(point.cache).reduce((sum, [name, n]) => sum + (name.endsWith(" hit") ? n : 0), 0);
const lookups = (point) => Object.values(point.cache).reduce((sum, n) => sum + n, 0);

const TILES = [
  { name: "Requests", unit: "/s", of: (p) => p.requests / state.step, write: rate },
  { name: "Latency p50", unit: "ms", of: (p) => p.p50_ms, write: ms },
  { name: "Latency p99", unit: "ms", of: (p) => p.p99_ms, write: ms },
  { name: "Degraded", of: per((p) => p.degraded, (p) => p.rows), write: percent, bad: (n) => n > 0.01 },
  { name: "Errors and refused", unit: "/s", of: (p) => (p.errors + p.rejected) / state.step, write: rate, bad: (n) => n > 0 },
  { name: "Cache hits", of: per(hits, lookups), write: percent, hide: (points) => !points.some(lookups) },
];

function sparkline(tile, points, readout) {
  const values = points.map(tile.of);
  const most = Math.max(...values.filter((n) => n !== null), 0);
  const top = most || 1;
  const at = (i) => (points.length > 1 ? (100 * i) / (points.length - 1) : 100);
  const y = (n) => 38 - (36 * n) / top;
  let path = "", area = "", from = null;
  values.forEach((n, i) => {
    if (n === null) {
      if (from !== null) area += `L${at(i - 1)} 39L${from} 39Z`;
      from = null;
      return;
    }
    const step = `${at(i).toFixed(2)} ${y(n).toFixed(2)}`;
    path += (from === null ? "M" : "L") + step;
    area += (from === null ? "M" : "L") + step;
    if (from === null) from = at(i);
  });
  if (from !== null) area += `L100 39L${from} 39Z`;
  const said = (i) => `${clock(new Date(points[i].at * 1000).toISOString())}  ${tile.write(values[i])}${tile.unit ? " " + tile.unit : ""}`;
  const mark = el("line", { class: "mark", y1: 0, y2: 39, visibility: "hidden" });
  const rest = points.length ? `most ${tile.write(most)}` : "nothing yet";
  const show = (i) => {
    mark.setAttribute("x1", at(i));
    mark.setAttribute("x2", at(i));
    mark.setAttribute("visibility", "visible");
    readout.textContent = said(i);
  };
  const away = () => {
    mark.setAttribute("visibility", "hidden");
    readout.textContent = rest;
  };
  readout.textContent = rest;
  return el("svg", {
    viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img",
    "aria-label": `${tile.name} of the last ten minutes, ${rest}${tile.unit ? " " + tile.unit : ""}`,
    onpointermove: (event) => {
      if (!points.length) return;
      const box = event.currentTarget.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      show(Math.round(share * (points.length - 1)));
    },
    onpointerleave: away,
  }, el("line", { class: "base", x1: 0, x2: 100, y1: 39, y2: 39 }), el("path", { class: "area", d: area }), el("path", { class: "curve", d: path }), mark);
}

function showNow(told) {
  state.step = told.step_seconds;
  state.points = told.points;
  pulse(true);
  if (document.querySelector(".tile svg:hover")) return;
  const points = told.points;
  const last = points[points.length - 1];
  const tiles = TILES.filter((tile) => !tile.hide || !tile.hide(points)).map((tile) => {
    const now = last ? tile.of(last) : null;
    const readout = el("p", { class: "at num" });
    const figure = el("strong", { class: tile.bad && tile.bad(now) ? "bad" : null }, now === null ? "–" : tile.write(now), tile.unit ? el("small", {}, ` ${tile.unit}`) : null);
    return el("div", { class: "tile" }, el("h3", {}, tile.name), figure, sparkline(tile, points, readout), readout);
  });
  const busy = el("strong", {}, count(told.in_flight), el("small", {}, ` of ${count(told.admission_limit)}`));
  const replicas = `${told.replicas} ${told.replicas === 1 ? "replica" : "replicas"}`;
  tiles.push(el("div", { class: "tile" }, el("h3", {}, "In flight"), busy, el("p", { class: "at" }, replicas)));
  $("tiles").replaceChildren(...tiles);
  state.models = told.models;
  showModels();
  showShares(points);
}

function showModels() {
  const versions = Object.entries(state.models[state.service] || {});
  const text = versions.map(([alias, version]) => (versions.length > 1 || alias !== "champion" ? `${alias} ${version}` : version)).join(", ");
  $("models").textContent = text ? `model ${text}` : "";
}

/* ---- decisions by kind ---- */

function kind(decision) {
  let index = state.kinds.indexOf(decision);
  if (index < 0) index = state.kinds.push(decision) - 1;
  return `k${index % 6}`;
}

function showShares(points) {
  const totals = {};
  for (const point of points) for (const [name, n] of Object.entries(point.decisions)) if (name) totals[name] = (totals[name] || 0) + n;
  const sum = Object.values(totals).reduce((a, b) => a + b, 0);
  const names = [...new Set([...state.kinds, ...Object.keys(totals)])].filter((name) => name in totals);
  $("decided").hidden = !sum;
  const last = points[points.length - 1];
  const rows = names.map((name) => {
    const part = el("i", { class: kind(name) });
    part.style.width = `${(100 * totals[name]) / sum}%`;
    const now = last ? (last.decisions[name] || 0) / state.step : 0;
    return el("div", { class: "share" }, el("span", { class: `pill ${kind(name)}` }, name), el("span", { class: "bar" }, part),
      el("span", { class: "num" }, percent(totals[name] / sum)), el("span", { class: "num muted rate" }, `${rate(now)} /s`));
  });
  $("shares").replaceChildren(...rows);
  const chosen = $("only").value;
  const offered = [...$("only").options].slice(1).map((one) => one.value);
  if (names.some((name) => !offered.includes(name))) {
    for (const name of names) if (!offered.includes(name)) $("only").append(el("option", { value: name }, name));
    $("only").value = chosen;
  }
}

/* ---- recent decisions ---- */

function showDecisions(told) {
  const place = $("decisions");
  const signature = String(state.all) + told.decisions.map((one) => one.decision_id).join();
  if (signature === state.signature && place.childElementCount) return;
  const held = place.querySelector("details[open]") && place.contains(document.activeElement);
  $("held").hidden = !held;
  if (held) return; // somebody reads there
  state.signature = signature;
  if (!told.decisions.length) {
    place.replaceChildren(el("p", { class: "muted" }, $("only").value ? "None among the newest." : "None is logged yet."));
    return;
  }
  const shown = state.all ? told.decisions : told.decisions.slice(0, FEW);
  const hidden = told.decisions.length - FEW;
  place.replaceChildren(...shown.map(decisionRow));
  $("more").hidden = hidden <= 0;
  $("more").textContent = state.all ? "show fewer" : `show ${hidden} more`;
  $("more").onclick = () => {
    state.all = !state.all;
    state.signature = "";
    showDecisions(told);
  };
}

function decisionRow(one) {
  const missing = Object.entries(one.missing);
  const why = el("span", { class: "why" },
    ...(one.reasons || []).map((reason) => el("span", { class: "tag" }, reason)),
    one.degraded ? el("span", { class: "tag bad" }, "degraded") : null,
    missing.length ? el("span", { class: "tag" }, `${missing.length} missing`) : null,
    one.arm && one.arm !== "champion" ? el("span", { class: "tag" }, `arm ${one.arm}`) : null,
    el("span", { class: "muted" }, Object.entries(one.request).slice(0, 4).map(([name, v]) => `${name} ${value(v)}`).join(", ")));
  const details = el("details", { "data-id": one.decision_id, open: state.open.has(one.decision_id) },
    el("summary", {}, el("time", { datetime: one.decided_at }, clock(one.decided_at)),
      el("span", { class: `pill ${kind(one.decision || "score")}` }, one.decision || "score"),
      el("span", { class: "num" }, score(one.score)), why, el("span", { class: "num muted took" }, `${ms(one.latency_ms)} ms`)));
  details.addEventListener("toggle", () => {
    if (details.open) state.open.add(one.decision_id);
    else state.open.delete(one.decision_id);
    if (details.open && !details.querySelector(".more")) details.append(decisionMore(one));
  });
  if (details.hasAttribute("open")) details.append(decisionMore(one));
  return details;
}

function decisionMore(one) {
  const line = (name, text) => el("div", {}, el("span", { class: "muted" }, name), el("span", { class: "num" }, text));
  const fields = Object.entries(one.request).map(([name, v]) => line(name, value(v)));
  const ages = Object.entries(one.age_seconds).map(([view, seconds]) => line(`${view}, row's age`, age(seconds)));
  const missing = Object.entries(one.missing).map(([view, reason]) => line(view, reason));
  const shadow = Object.entries(one.shadow).map(([alias, n]) => line(`${alias} would score`, score(n)));
  const keys = state.keys || [];
  const look = keys.some((name) => name in one.request)
    ? el("div", { class: "all" }, el("button", { class: "plain", type: "button", onclick: () => lookUp(one.request) }, "see its features as they are now")) : null;
  return el("div", { class: "more" }, line("id", one.decision_id), line("decided", moment(one.decided_at)), line("event", moment(one.event_timestamp)),
    line("model", one.model_version), line("arm", one.arm), line("score", value(one.score)), ...fields, ...ages, ...missing, ...shadow, look);
}

/* ---- the stream ---- */

function showStream(told) {
  const parts = [];
  if (told.complete) parts.push(`complete up to ${moment(told.complete)}, ${age(told.behind_seconds)} ${told.behind_seconds < 0 ? "ahead of" : "behind"} the clock`);
  if (told.snapshots) parts.push(`snapshots ${bytes(told.snapshots.bytes)}, the latest ${age(told.snapshots.age_seconds)} ago`);
  const letters = told.dead_letters;
  if (letters.count) parts.push(`${count(letters.count)} dead letters, the latest ${age(letters.age_seconds)} ago`);
  else if (told.complete) parts.push("no dead letters");
  $("stream-line").textContent = parts.length ? `${parts.join(" · ")}.` : "No stream has told how far it is.";
  const now = Date.parse(told.at);
  const rows = told.views.map((view) => {
    const before = state.views[view.view];
    const seconds = before ? (now - before.now) / 1000 : 0;
    const speed = (name) => (view.streamed && before && seconds > 0 ? Math.max(0, view[name] - before[name]) / seconds : null);
    if (view.streamed && (!before || seconds > 4)) state.views[view.view] = { now, events: view.events, rows: view.rows, shown: before ? { events: speed("events"), rows: speed("rows") } : null };
    const shown = (state.views[view.view] || {}).shown || {};
    const held = view.streamed ? Object.entries(view.held).map(([name, n]) => (name === "bytes" ? bytes(n) : `${count(n)} ${name}`)).join(", ") : "";
    const log = view.log ? (view.log.first === view.log.last ? view.log.last : `${view.log.first} to ${view.log.last}`) : "–";
    return el("tr", {}, el("td", {}, view.view), el("td", { class: "num" }, view.streamed ? behind(view.behind_seconds) : "batch"),
      el("td", { class: "num" }, view.streamed ? moment(view.complete) : "–"),
      el("td", { class: "num" }, shown.events === null || shown.events === undefined ? "–" : rate(shown.events)),
      el("td", { class: "num" }, shown.rows === null || shown.rows === undefined ? "–" : rate(shown.rows)),
      el("td", { class: "num" }, view.streamed ? count(view.events) : "–"), el("td", { class: "num" }, view.streamed && view.held.bytes !== undefined ? bytes(view.held.bytes) : "–"),
      el("td", { class: "num", title: held }, view.streamed && view.held.entities !== undefined ? count(view.held.entities) : "–"), el("td", { class: "num" }, log));
  });
  const head = [["view", ""], ["behind", "num"], ["complete up to", "num"], ["events/s", "num"], ["rows/s", "num"], ["events", "num"], ["state", "num"], ["entities", "num"], ["feature log", "num"]];
  $("views").replaceChildren(...(rows.length ? table(head, rows) : []));
  trouble("stream", told.troubles.join("; "));
  if (told.troubles.length) throw new Error(told.troubles.join("; "));
}

/* ---- one entity ---- */

async function askForKeys() {
  try {
    const model = await ask(`/v1/model/${encodeURIComponent(state.service)}`);
    state.keys = model.request.filter((field) => field.role === "join key").map((field) => field.name);
    state.kinds = [...new Set([...(model.policy || []).map((one) => one.decide), ...state.kinds])];
    $("keys").replaceChildren(...state.keys.map((name) => el("label", {}, name, el("input", { name, autocomplete: "off", spellcheck: "false" }))));
  } catch (error) {
    setTimeout(askForKeys, 3000);
  }
}

function lookUp(given) {
  for (const input of $("keys").querySelectorAll("input")) if (given[input.name] !== undefined) input.value = given[input.name];
  $("entity").scrollIntoView({ block: "start" });
  $("lookup").requestSubmit();
}

async function showEntity(event) {
  event.preventDefault();
  const asked = new URLSearchParams({ service: state.service });
  for (const input of $("keys").querySelectorAll("input")) if (input.value.trim()) asked.set(input.name, input.value.trim());
  try {
    const told = await ask(`/v1/features?${asked}`);
    trouble("entity", "");
    $("found").replaceChildren(...told.views.map(entityView), told.left_out.length ? el("p", { class: "muted all" },
      `Not asked for: ${told.left_out.map((one) => `${one.view} (${one.keys.join(", ")})`).join(", ")}.`) : "");
  } catch (error) {
    trouble("entity", error.message);
  }
}

function entityView(view) {
  const said = view.age_seconds === null ? view.status.replace("_", " ") : `${old(view.age_seconds)}${view.status === "present" ? "" : `, ${view.status}`}`;
  const features = view.features.flatMap((one) => [
    el("dt", {}, one.name),
    el("dd", { class: one.value === null ? "muted" : null }, one.value === null ? one.status.replace("_", " ") : value(one.value)),
  ]);
  return el("article", {}, el("h3", {}, view.view, el("span", { class: view.status === "present" ? "muted" : "warn", title: moment(view.event_timestamp) }, said)), el("dl", {}, ...features));
}

/* ---- experiments ---- */

function showExperiments(told) {
  const mine = told.experiments.filter((one) => one.service === state.service);
  $("experiments").hidden = !mine.length;
  $("arms").replaceChildren(...mine.map(experimentTable));
}

function between(one, write) {
  return one && one.low !== null && one.high !== null ? `${write(one.low)} to ${write(one.high)}` : "too few to say";
}

// A difference with its interval on a scale of its own; the line in the middle is no difference.
function interval(one, most) {
  if (one.low === null || one.high === null) return "";
  const at = (n) => 110 + (104 * n) / (most || 1);
  return el("svg", { class: "interval", viewBox: "0 0 220 18", role: "img", "aria-label": `from ${value(one.low)} to ${value(one.high)}` },
    el("line", { class: "zero", x1: 110, x2: 110, y1: 0, y2: 18 }), el("line", { x1: at(one.low), x2: at(one.high), y1: 9, y2: 9 }),
    el("circle", { cx: at(one.value), cy: 9, r: 4 }));
}

function experimentTable(one) {
  const most = {};
  for (const arm of one.arms) for (const [name, found] of Object.entries(arm.against_champion)) {
    for (const end of [found.low, found.high]) most[name] = Math.max(most[name] || 0, Math.abs(end || 0));
  }
  const rows = one.arms.flatMap((arm) => {
    const metrics = Object.entries(arm.metrics);
    return (metrics.length ? metrics : [["", null]]).map(([name, found], i) => {
      const against = arm.against_champion[name];
      const verdict = against && against.verdict ? el("span", { class: against.verdict === "worse" ? "bad" : "good" }, ` ${against.verdict}`) : "";
      return el("tr", {},
        el("td", {}, i ? "" : arm.alias, !i && arm.stopped ? el("span", { class: "tag bad", title: arm.stopped.reason }, "stopped") : ""),
        el("td", { class: "num" }, i ? "" : percent(arm.weight)), el("td", { class: "num" }, i ? "" : count(arm.counts.decisions)),
        el("td", {}, name.replaceAll("_", " ")), el("td", { class: "num" }, found ? value(found.value) : "–"),
        el("td", { class: "num muted" }, found ? between(found, value) : ""), el("td", {}, against ? interval(against, most[name]) : "", verdict));
    });
  });
  const head = [["arm", ""], ["weight", "num"], ["decisions", "num"], ["measured", ""], ["value", "num"], ["interval", "num"], ["against the champion", ""]];
  const stops = one.arms.filter((arm) => arm.stopped).map((arm) => el("p", { class: "bad" }, `${arm.alias} is stopped: ${arm.stopped.reason}`));
  const title = one.experiment ? `${one.experiment}, by ${one.unit}` : `by ${one.unit}`;
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `experiment ${title}` }, el("h3", {}, title),
    el("p", { class: "muted" }, `${count(one.outcomes.told)} outcomes told, as of ${moment(one.at)}`), ...stops, el("table", {}, ...table(head, rows)));
}

/* ---- begin ---- */

async function begin() {
  $("key").addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem("key", new FormData(event.target).get("key"));
    $("key").hidden = true;
    askForKeys();
  });
  $("lookup").addEventListener("submit", showEntity);
  const query = () => `service=${encodeURIComponent(state.service)}`;
  for (;;) {
    try {
      const told = await ask("/v1/activity");
      const names = Object.keys(told.models);
      state.service = state.service || names[0] || "";
      $("service").replaceChildren(...names.map((name) => el("option", { value: name, selected: name === state.service }, name)));
      break;
    } catch (error) {
      pulse(false);
      trouble("now", error.message);
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
  $("service").addEventListener("change", (event) => {
    state.service = event.target.value;
    state.kinds = [];
    state.signature = "";
    $("found").replaceChildren();
    $("decisions").replaceChildren();
    $("only").replaceChildren(el("option", { value: "" }, "all"));
    askForKeys();
    showModels();
  });
  $("only").addEventListener("change", async () => {
    state.signature = "";
    try {
      showDecisions(await ask(decided()));
    } catch (error) {
      trouble("recent", error.message);
    }
  });
  const decided = () => `/v1/decisions?${query()}&limit=50&decision=${encodeURIComponent($("only").value)}`;
  await askForKeys();
  repeat("now", 2, () => "/v1/activity", showNow);
  repeat("recent", 3, decided, showDecisions);
  repeat("stream", 3, () => "/v1/stream", showStream);
  repeat("experiments", 10, () => "/v1/experiments", showExperiments);
}

begin();
