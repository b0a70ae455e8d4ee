// @ts-check
// Shows the tree that stands in the page as JSON (docs/map.schema.json), in the ARIA pattern
// "treegrid". All text goes into the page as text, never as HTML.
"use strict";

/**
 * @typedef {{path: string, line: number, column: number}} Place
 * @typedef {{name: string, means: "train" | "eval", by: "call" | "attribute",
 *   default: string | null, used: boolean | null}} Flag
 * @typedef {"forwarded" | "inverted" | "fixed" | "dropped" | "default" | "unknown"} How
 * @typedef {{flag: string, how: How, text: string | null, sources: string[]}} Told
 * @typedef {{method: string, calls: string, place: Place, told: Told[]}} Call
 * @typedef {{code: string, name: string, message: string, place: Place}} Finding
 * @typedef {"stochastic" | "stateful" | "plain" | "unknown"} Kind
 * @typedef {{name: string, class: string | null, module: string | null, kind: Kind,
 *   defined: Place | null, built: Place | null, maybe: boolean, flags: Flag[], calls: Call[],
 *   called: boolean | null,
 *   streams: string[], view: string[] | null, note: string | null, findings: Finding[],
 *   children: Layer[]}} Layer
 * @typedef {{name: string, summary: string, fix: string}} Rule
 * @typedef {{call: Call, told: Told, from: string[]}} Step a call that a path takes, or ends at
 * @typedef {{live: Set<string>, steps: Step[]}} Reached the flags of a layer that are on a path
 */

/** @type {Record<Kind, string>} */
const KINDS = {
  stochastic: "draws noise",
  stateful: "keeps statistics of batches",
  plain: "the same in training and evaluation",
  unknown: "not known",
};
/** @type {Record<How, string>} from good to bad */
const HOWS = {
  forwarded: "The mode is handed on.",
  default: "Nothing is said, and the method has no mode: the layer does as it was last told.",
  unknown: "What becomes of the mode is unknown.",
  fixed: "A constant, whatever the mode of the caller.",
  inverted: "The mode is handed on the wrong way round.",
  dropped: "The mode is not handed on.",
};
const MANY = 300; // layers that are shown unfolded at first

/** @type {{models: Layer[], rules: Record<string, Rule>}} */
const data = JSON.parse(byId("data").textContent ?? "");

// -- elements -----------------------------------------------------------------------------------

/** @param {string} id */
function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/**
 * What steers text or cannot be shown becomes a replacement character.
 * @param {string} text
 */
function shown(text) {
  return text.replace(/\s/g, " ").replace(/\p{C}/gu, "\ufffd");
}

/**
 * An element; what is null or false is left out.
 * @param {string} tag with classes, "span.name"
 * @param {Record<string, string | number | boolean | null>} attributes
 * @param {(Node | string | null | false)[]} children
 */
function el(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const made = document.createElement(name);
  if (classes.length) made.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) made.setAttribute(key, shown(String(value)));
  }
  for (const child of children) {
    if (child) made.append(typeof child === "string" ? shown(child) : child);
  }
  return made;
}

/** @param {string} text */
const code = (text) => el("code", {}, text);

/** @param {Place} place */
const where = ({ path, line }) => el("code.place", {}, `${path}:${line}`);

/** The same in short, where the whole path would be in the way. @param {Place} place */
const near = ({ path, line }) =>
  el("code.place", { title: path }, `${path.replace(/.*[/\\]/, "")}:${line}`);

/** @param {Kind} kind */
const shape = (kind) => el(`span.kind.${kind}`, {}, kind === "unknown" && "?");

/** @param {string} word @param {string} kind */
const tag = (word, kind = word) => el(`span.tag.${kind}`, {}, word);

/**
 * Text in which `code` stands between backticks.
 * @param {string} text
 */
function marked(text) {
  const made = document.createDocumentFragment();
  text.split("`").forEach((part, n) => made.append(n % 2 ? code(part) : shown(part)));
  return made;
}

/**
 * @param {number} number
 * @param {string} noun
 */
function plural(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

/**
 * @param {string} text
 * @param {() => void} act
 */
function link(text, act) {
  const made = el("button.link", { type: "button" }, text);
  made.addEventListener("click", act);
  return made;
}

// -- the tree -----------------------------------------------------------------------------------

/** A layer, its place in the tree, and its row. */
class Item {
  level = 1;
  path = "";
  /** Its number in the order of rows, and the one behind its last descendant. */
  number = 0;
  end = 0;
  open = false;
  /** Whether the filter leaves it. */
  kept = true;
  /** @type {Item[]} */
  children = [];
  row = document.createElement("div");

  /**
   * @param {Layer} layer
   * @param {Item | null} parent
   * @param {number} index among its siblings
   * @param {number} siblings how many there are, with itself
   */
  constructor(layer, parent, index, siblings) {
    this.layer = layer;
    this.parent = parent;
    this.index = index;
    this.siblings = siblings;
    this.level = parent ? parent.level + 1 : 1;
    this.path = parent ? `${parent.path}.${layer.name}` : layer.name;
    this.class = layer.module === "flax.nnx" ? `nnx.${layer.class}` : layer.class;
    this.words = `${layer.name} ${this.class ?? ""} ${layer.kind}`.toLowerCase();
    this.flags = flagNames(layer);
  }
}

/**
 * The names of its flags: those that it takes, and those that calls give it besides.
 * @param {Layer} layer
 */
function flagNames(layer) {
  const told = layer.calls.flatMap((call) => call.told.map((one) => one.flag));
  return [...new Set([...layer.flags.map((flag) => flag.name), ...told])];
}

/** @returns {Item[]} in the order of rows */
function itemsOf(/** @type {Layer[]} */ models) {
  /** @type {Item[]} */
  const made = [];
  const left = models.map((model, n) => new Item(model, null, n, models.length)).reverse();
  for (let item = left.pop(); item; item = left.pop()) {
    const parent = item;
    item.number = made.length;
    made.push(item);
    const layers = item.layer.children;
    item.children = layers.map((layer, n) => new Item(layer, parent, n, layers.length));
    for (let n = layers.length; n--;) left.push(item.children[n]);
  }
  for (const item of [...made].reverse()) {
    item.end = item.children.length ? item.children[item.children.length - 1].end : item.number + 1;
  }
  return made;
}

const tree = byId("tree");
const items = itemsOf(data.models);
/** @type {Item | null} the only row that the Tab key stops at */
let current = null;
/** @type {{item: Item, flag: string} | null} whose path is shown */
let followed = null;
/** @type {Map<Item, Reached>} */
let path = new Map();

/** @param {Item} item */
function buildRow(item) {
  const { layer, row } = item;
  const attributes = {
    role: "row",
    tabindex: -1,
    "aria-level": item.level,
    "aria-posinset": item.index + 1,
    "aria-setsize": item.siblings,
  };
  for (const [name, value] of Object.entries(attributes)) row.setAttribute(name, String(value));
  row.className = "row";
  row.dataset.number = String(item.number);
  row.style.setProperty("--level", String(item.level - 1));
  row.append(
    guides(item),
    el("div.layer", { role: "gridcell" }, ...headline(item)),
    el("div.flags", { role: "gridcell" }, ...item.flags.map((name) => flagButton(item, name))),
    el("div.draws", { role: "gridcell" }, ...list("draws", layer.streams)),
    el("div.view", { role: "gridcell" }, ...list("view", layer.view)),
  );
  if (layer.note || layer.findings.length) row.append(below(item));
}

/** @param {Item} item */
function headline(item) {
  const { layer } = item;
  const fold = el("button.fold", { type: "button", tabindex: -1, "aria-label": "Layers inside" });
  const of = item.parent
    ? el("span.class", {}, item.class ?? "unknown class")
    : layer.defined && near(layer.defined);
  const kind = el(`span.word.${layer.kind}`, {}, layer.kind);
  const name = el("span.name", {}, layer.name);
  return [
    item.children.length ? fold : el("span.fold"),
    shape(layer.kind),
    el("span.what", {}, name, " ", of, " ", kind, " ", layer.maybe && tag("maybe")),
  ];
}

/** @param {string} word @param {string[] | null} names */
function list(word, names) {
  if (names && !names.length) return [];
  const label = el("span.label", {}, `${word} `);
  return [label, names ? el("span", {}, names.join(", ")) : tag("unknown")];
}

/** The lines of the tree, left of a row. @param {Item} item */
function guides(item) {
  const made = el("span.guides", { "aria-hidden": "true" });
  for (let above = item; above.parent; above = above.parent) {
    const last = above.index === above.siblings - 1;
    const fork = `i.fork${last ? ".last" : ""}${item.children.length ? "" : ".leaf"}`;
    const line = el(above === item ? fork : last ? "i" : "i.line");
    line.style.left = `calc(${above.level - 2} * var(--indent))`;
    made.prepend(line);
  }
  return made;
}

/** @param {Item} item @param {string} name */
function flagButton(item, name) {
  const made = el(
    "button.flag.stop",
    { type: "button", tabindex: -1, "aria-pressed": "false" },
    el("span", {}, name),
    ...fates(item.layer, name),
  );
  made.dataset.flag = name;
  return made;
}

/** What becomes of a flag at the calls of its layer. @param {Layer} layer @param {string} name */
function fates(layer, name) {
  const made = new Map();
  const flags = layer.flags.filter((flag) => flag.name === name);
  const value = flags.find((flag) => flag.default !== null)?.default;
  const byDefault = () => el("span.fate", {}, value ? `default ${value}` : "default");
  for (const { told } of toldOf(layer, name)) {
    const one = told.how === "default" ? byDefault() : fate(told);
    made.set(JSON.stringify([told.how, told.text]), one);
  }
  if (!made.size) {
    if (layer.called === null) made.set("unknown", tag("unknown"));
    else if (value) made.set("default", byDefault());
  }
  if (flags.some((flag) => flag.used === false)) made.set("unused", tag("unused"));
  return made.values();
}

/** @param {Layer} layer @param {string} name */
function toldOf(layer, name) {
  return layer.calls.flatMap((call) =>
    call.told.filter((told) => told.flag === name).map((told) => ({ call, told })),
  );
}

/** @param {Told} told */
function fate(told) {
  const text =
    told.text === null ? "" : told.how === "fixed" ? ` ${told.text}` : `\u2190 ${told.text}`;
  if (told.how === "forwarded") return el("span.fate", {}, text);
  if (told.how === "fixed" || !text) return tag(`${told.how}${text}`, told.how);
  return el("span.fate", {}, `${text} `, tag(told.how));
}

/** What stands below the cells of a row. @param {Item} item */
function below(item) {
  const { layer } = item;
  const made = el("div.below", { role: "gridcell" });
  if (layer.note) made.append(el("p.note", {}, marked(layer.note)));
  for (const finding of layer.findings) {
    const summary = el("summary.stop", { tabindex: -1 }, ...symptom(finding));
    made.append(el("details.finding", {}, summary, explanation(finding)));
  }
  return made;
}

/** What is wrong: the message up to its semicolon. @param {Finding} finding */
function symptom({ code, message }) {
  return [el("b.code", {}, code), " ", marked(message.split("; ", 1)[0])];
}

/** @param {Finding} finding */
function explanation(finding) {
  const rule = data.rules[finding.code];
  const remedy = finding.message.split("; ").slice(1).join("; ");
  return el(
    "div.explanation",
    {},
    remedy && el("p", {}, el("b", {}, "Instead: "), marked(remedy)),
    el("p", {}, "At ", where(finding.place)),
    el("p", {}, el("b", {}, `${finding.name}: `), marked(rule.summary)),
    ...rule.fix.split("\n\n").map((text) => el("p", {}, marked(text))),
    el("p", {}, code(`nnx-mode explain ${finding.code}`), " says more."),
  );
}

// -- what is folded, and where the keyboard is --------------------------------------------------

/** Show the rows that are not folded away or filtered out. */
function refresh() {
  let folded = 0; // the number behind what the last folded layer hides
  for (const item of items) {
    const hidden = !item.kept || item.number < folded;
    if (item.row.hidden !== hidden) item.row.hidden = hidden;
    if (!item.open && item.end > folded) folded = item.end;
  }
  if (!current || current.row.hidden) {
    let next = current;
    while (next && next.row.hidden) next = next.parent;
    stopAt(next ?? items.find((item) => !item.row.hidden) ?? null);
  }
}

/** @param {Item} item @param {boolean} open */
function setOpen(item, open) {
  if (!item.children.length) return;
  item.open = open;
  item.row.setAttribute("aria-expanded", String(open));
}

/** @param {Item | null} item */
function unfoldAbove(item) {
  for (let above = item?.parent ?? null; above; above = above.parent) setOpen(above, true);
}

/** @param {Item | null} item */
function stopAt(item) {
  if (current === item) return;
  for (const [row, index] of /** @type {[Item | null, number][]} */ ([
    [current, -1],
    [item, 0],
  ])) {
    if (!row) continue;
    row.row.tabIndex = index;
    for (const stop of stops(row)) stop.tabIndex = index;
  }
  current = item;
}

/** @param {Item} item @returns {HTMLElement[]} what can be reached in its row */
function stops(item) {
  return [...item.row.querySelectorAll(".stop")].map((stop) => /** @type {HTMLElement} */ (stop));
}

/** @param {Item} item */
function jumpTo(item) {
  if (!item.kept) filter("");
  unfoldAbove(item);
  refresh();
  item.row.focus({ preventScroll: true });
  item.row.scrollIntoView({ block: "center" });
}

/** @param {Event} event @returns {Item | null} */
function itemAt(event) {
  const target = event.target instanceof Element ? event.target : null;
  const row = /** @type {HTMLElement | null} */ (target?.closest(".row[data-number]") ?? null);
  return row ? items[Number(row.dataset.number)] : null;
}

/** Focus the first row that is shown from there on. @param {number} number @param {1 | -1} step */
function focusFrom(number, step) {
  while (items[number]?.row.hidden) number += step;
  items[number]?.row.focus();
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const item = itemAt(event);
  if (!item || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const inside = stops(item);
  const at = inside.indexOf(/** @type {HTMLElement} */ (event.target)); // -1 for the row itself
  /** @type {Record<string, () => void>} */
  const keys = {
    ArrowDown: () => focusFrom(item.number + 1, 1),
    ArrowUp: () => focusFrom(item.number - 1, -1),
    Home: () => focusFrom(0, 1),
    End: () => focusFrom(items.length - 1, -1),
    ArrowRight: () => {
      if (at < 0 && item.children.length && !item.open) fold(item, true);
      else inside[at + 1]?.focus();
    },
    ArrowLeft: () => {
      if (at >= 0) (inside[at - 1] ?? item.row).focus();
      else if (item.open) fold(item, false);
      else item.parent?.row.focus();
    },
  };
  if (at < 0) keys.Enter = keys[" "] = () => showLayer(item);
  const act = keys[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

/** @param {Item} item @param {boolean} open */
function fold(item, open) {
  setOpen(item, open);
  refresh();
}

/** @param {boolean} open */
function setAllOpen(open) {
  for (const item of items) setOpen(item, open);
  refresh();
}

/** @param {MouseEvent} event */
function onClick(event) {
  const item = itemAt(event);
  const target = /** @type {Element} */ (event.target);
  if (!item || target.closest(".below details")) return;
  const flag = /** @type {HTMLElement | null} */ (target.closest("button.flag"));
  if (flag) toggleFollow(item, flag.dataset.flag ?? "");
  else if (target.closest("button.fold")) {
    item.row.focus();
    fold(item, !item.open);
  } else if (!getSelection()?.toString()) showLayer(item);
}

// -- the filter ---------------------------------------------------------------------------------

/** @param {string} text */
function filter(text) {
  const input = /** @type {HTMLInputElement} */ (byId("filter"));
  if (input.value !== text) input.value = text;
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const item of items) item.kept = !words.length;
  for (const item of words.length ? items : []) {
    const matches = words.every((word) => item.words.includes(word));
    item.row.classList.toggle("match", matches);
    if (!matches) continue;
    found += 1;
    unfoldAbove(item);
    for (let up = /** @type {Item | null} */ (item); up && !up.kept; up = up.parent) up.kept = true;
  }
  if (!words.length) for (const item of items) item.row.classList.remove("match");
  refresh();
  say(words.length ? `${plural(found, "layer")} found` : "");
  tree.classList.toggle("nothing", words.length > 0 && !found);
}

/** For those who do not see it. @param {string} text */
function say(text) {
  byId("status").textContent = text;
}

// -- the path of a flag -------------------------------------------------------------------------

/**
 * Where a flag comes from, and where it goes: down to the calls that hand it on no further.
 * @param {Item} start
 * @param {string} name
 */
function pathOf(start, name) {
  /** @type {Map<Item, Reached>} */
  const found = new Map();
  /** @param {Item} item */
  const at = (item) => {
    const known = found.get(item) ?? { live: new Set(), steps: [] };
    found.set(item, known);
    return known;
  };
  /** @type {[Item, string][]} */
  const up = [[start, name]];
  at(start).live.add(name);
  for (let next = up.pop(); next; next = up.pop()) {
    const [item, flag] = next;
    for (const { call, told } of toldOf(item.layer, flag)) {
      at(item).steps.push({ call, told, from: told.sources });
      for (const source of item.parent ? told.sources : []) {
        const parent = /** @type {Item} */ (item.parent);
        if (at(parent).live.has(source)) continue;
        at(parent).live.add(source);
        up.push([parent, source]);
      }
    }
  }
  /** @type {[Item, string][]} */
  const down = [[start, name]];
  for (let next = down.pop(); next; next = down.pop()) {
    const [item, flag] = next;
    for (const child of item.children) {
      for (const call of child.layer.calls) {
        for (const told of call.told) {
          const taken = told.sources.includes(flag);
          const lost = !told.sources.length && ["dropped", "fixed", "unknown"].includes(told.how);
          if (!taken && !lost) continue;
          const { live, steps } = at(child);
          if (!steps.some((step) => step.told === told)) steps.push({ call, told, from: [flag] });
          if (!taken || live.has(told.flag)) continue;
          live.add(told.flag);
          down.push([child, told.flag]);
        }
      }
    }
  }
  return new Map([...found].sort(([one], [other]) => one.number - other.number));
}

/** @param {Item} item @param {string} flag */
function toggleFollow(item, flag) {
  if (followed?.item === item && followed.flag === flag) clear();
  else follow(item, flag);
}

/** @param {Item} item @param {string} flag */
function follow(item, flag) {
  wipe();
  filter("");
  followed = { item, flag };
  path = pathOf(item, flag);
  for (const [on, reached] of path) {
    unfoldAbove(on);
    on.row.classList.add("on", ...reached.steps.map((step) => step.told.how));
    if (reached.steps.length) on.row.insertBefore(stepsOf(reached), on.row.querySelector(".below"));
    const named = new Set([...reached.live, ...reached.steps.map((step) => step.told.flag)]);
    for (const stop of stops(on)) {
      const name = stop.dataset.flag;
      if (name === undefined) continue;
      stop.classList.toggle("on", named.has(name));
      stop.setAttribute("aria-pressed", String(on === item && name === flag));
    }
  }
  drawPath();
  tree.classList.add("following");
  refresh();
  byId("clear").hidden = false;
  byId("clear").replaceChildren("Clear the path of ", code(flag));
  showFlag(item, flag);
  say(`${flag} ${el("p", {}, ...howItGoes()).textContent}`);
}

/** Colour the lines from each layer to those that it hands the mode to. */
function drawPath() {
  for (const item of path.keys()) {
    const reached = item.children.filter((child) => path.has(child));
    const last = reached[reached.length - 1];
    if (!last) continue;
    for (let number = item.number + 1; number <= last.number; number += 1) {
      const guide = items[number].row.querySelector(`.guides > :nth-child(${item.level})`);
      guide?.classList.add(number === last.number ? "to" : "through");
      const on = reached.includes(items[number]) && path.get(items[number]);
      if (on) guide?.classList.add(on.live.size ? "turn" : "cut");
    }
  }
}

/** @param {Reached} reached */
function stepsOf(reached) {
  const steps = reached.steps.map((step) =>
    el("li", {}, ...stepText(step), " ", callAt(step.call)),
  );
  return el("div.steps", { role: "gridcell" }, el("ul", {}, ...steps));
}

/** @param {Call} call */
const callAt = ({ method, calls, place }, at = near) => {
  const called = calls === "__call__" ? [] : ["calls ", code(calls), " "];
  return el("span.at", {}, ...called, "in ", code(method), ", ", at(place));
};

/** What a call does with a flag. @param {Step} step */
function stepText({ told, from }) {
  const sources = told.sources.length ? told.sources : from;
  return [
    sources.length > 0 && code(sources.join(", ")),
    sources.length > 0 && (told.sources.length ? " \u2192 " : " \u219b "),
    code(told.text === null ? told.flag : `${told.flag}=${told.text}`),
    ["dropped", "default"].includes(told.how) && " is not given",
    " ",
    told.how !== "forwarded" && tag(told.how),
  ];
}

/** How many layers the path reaches, and what goes wrong on it. */
function howItGoes() {
  const layers = [...path.values()].filter((reached) => reached.live.size).length - 1;
  /** @type {Map<How, number>} */
  const counts = new Map();
  for (const { steps } of path.values()) {
    for (const { told } of steps) counts.set(told.how, (counts.get(told.how) ?? 0) + 1);
  }
  const hows = /** @type {How[]} */ (Object.keys(HOWS).reverse());
  const wrong = hows.filter((how) => how !== "forwarded" && counts.has(how));
  return [
    layers > 0 ? `goes through ${plural(layers + 1, "layer")}` : "goes through no other layer",
    ...wrong.flatMap((how) => [" ", tag(`${counts.get(how)} ${how}`, how)]),
  ];
}

/** Remove what shows a path from the rows. */
function wipe() {
  for (const item of path.keys()) {
    item.row.classList.remove("on", ...Object.keys(HOWS));
    item.row.querySelector(".steps")?.remove();
    for (const stop of stops(item)) {
      stop.classList.remove("on");
      if (stop.dataset.flag !== undefined) stop.setAttribute("aria-pressed", "false");
    }
  }
  for (const guide of tree.querySelectorAll(".through, .to")) {
    guide.classList.remove("through", "to", "turn", "cut");
  }
  path = new Map();
  followed = null;
}

function clear() {
  wipe();
  tree.classList.remove("following");
  byId("clear").hidden = true;
  say("No path is shown");
  showOverview();
}

// -- the panel ----------------------------------------------------------------------------------

const panel = byId("panel");
/** @type {Map<boolean | null, string>} */
const NOT_CALLED = new Map([
  [true, "What it is in calls it; no call says more."],
  [false, "Nothing that its parent does calls it."],
  [null, "It is used, but no call of it could be followed."],
]);
const MAYBE = "It is there in some models only, or several classes may stand there.";

/**
 * @param {boolean} open on a narrow page
 * @param {(Node | string | null | false)[]} children
 */
function fillPanel(open, ...children) {
  const close = el("button.close", { type: "button" }, "Close");
  close.addEventListener("click", () => {
    showOverview();
    current?.row.focus({ preventScroll: true });
  });
  panel.replaceChildren(...el("div", {}, open && close, ...children).childNodes);
  panel.scrollTop = 0;
  document.body.classList.toggle("details", open);
}

/** @param {[Node | string, Node | string][]} rows */
function terms(rows) {
  const made = rows.flatMap(([term, text]) => [el("dt", {}, term), el("dd", {}, text)]);
  return el("dl", {}, ...made);
}

/** @param {boolean} open on a narrow page */
function showOverview(open = false) {
  choose(null);
  const found = items.flatMap((item) => item.layer.findings.map((finding) => ({ item, finding })));
  const list = found.map(({ item, finding }) => {
    const to = link(item.path, () => jumpTo(item));
    return el("li", {}, to, el("div", {}, ...symptom(finding)));
  });
  const hows = /** @type {How[]} */ (Object.keys(HOWS));
  fillPanel(
    open,
    el("h2", {}, found.length ? plural(found.length, "finding") : "No findings"),
    el("ul.found", {}, ...list),
    el("h2", {}, "How to read the tree"),
    el("p", {}, "Click a mode flag to follow it through the model, a layer to see its calls."),
    terms([
      ...hows.map((how) => /** @type {[Node, string]} */ ([mark(how), HOWS[how]])),
      [tag("unused"), "Nothing depends on the flag."],
      [tag("maybe"), MAYBE],
    ]),
    el("h2", {}, "Keys"),
    terms([
      ["Up, Down", "the layer above or below"],
      ["Right, Left", "unfold and fold; into a row and out of it"],
      ["Home, End", "the first and the last layer"],
      ["Enter", "details of a layer, the path of a flag"],
      ["Escape", "clear the path"],
    ]),
  );
}

/** How the tree shows what becomes of a mode. @param {How} how */
function mark(how) {
  return how === "forwarded" ? el("span.fate", {}, "\u2190 text") : tag(how);
}

/** Mark the row that the panel is about. @param {Item | null} item */
function choose(item) {
  tree.querySelector("[aria-selected]")?.removeAttribute("aria-selected");
  item?.row.setAttribute("aria-selected", "true");
  item?.row.scrollIntoView({ block: "nearest" });
}

/** @param {Item} item */
function showLayer(item) {
  const { layer } = item;
  const flags = item.flags.map((name) =>
    el(
      "li",
      {},
      link(name, () => follow(item, name)),
      " ",
      flagText(layer, name),
    ),
  );
  const calls = layer.calls.map((call) => {
    const told = call.told.map((one) =>
      el("li", {}, ...stepText({ call, told: one, from: [] }), " ", HOWS[one.how]),
    );
    return el("li", {}, callAt(call, where), el("ul", {}, ...told));
  });
  /** @type {[string, Node | string][]} */
  const rows = [["Class", code(layer.class ? `${layer.module ?? "?"}.${layer.class}` : "unknown")]];
  if (layer.defined) rows.push(["Defined", where(layer.defined)]);
  if (layer.built) rows.push(["Built", where(layer.built)]);
  if (layer.maybe) rows.push(["Maybe", MAYBE]);
  rows.push(["Draws", layer.streams.length ? code(layer.streams.join(", ")) : "nothing itself"]);
  rows.push(["nnx.view", viewText(layer)]);
  fillPanel(
    true,
    el("p.crumbs", {}, item.parent ? item.parent.path : "Model"),
    el("h2", {}, layer.name),
    el("p", {}, ...kindText(layer.kind), `: ${KINDS[layer.kind]}`),
    layer.note && el("p.note", {}, marked(layer.note)),
    terms(rows),
    flags.length > 0 && el("h3", {}, "Mode flags"),
    el("ul.plainly", {}, ...flags),
    item.parent && el("h3", {}, "Calls"),
    item.parent && !calls.length && el("p", {}, NOT_CALLED.get(layer.called)),
    el("ul.plainly", {}, ...calls),
  );
  choose(item);
  say(`Details of ${layer.name} are shown`);
}

/** @param {Kind} kind */
function kindText(kind) {
  return [shape(kind), " ", el(`b.word.${kind}`, {}, kind)];
}

/** @param {Layer} layer */
function viewText({ view }) {
  if (view === null) return "unknown";
  return view.length ? code(view.join(", ")) : "sets nothing on it";
}

/** What a flag is. @param {Layer} layer @param {string} name */
function flagText(layer, name) {
  const flags = layer.flags.filter((flag) => flag.name === name);
  if (!flags.length) return "is given by calls; what it means is unknown.";
  const means = { train: "training", eval: "evaluation" }[flags[0].means];
  const kept = flags.map((flag) => {
    const value = flag.default === null ? "" : `, by default ${flag.default}`;
    return (flag.by === "call" ? "a parameter of its call" : "an attribute") + value;
  });
  const use = flags.some((flag) => flag.used === false)
    ? " Nothing depends on it."
    : flags.some((flag) => flag.used === null)
      ? " Whether anything depends on it is unknown."
      : "";
  return `True means ${means}; ${kept.join("; ")}.${use}`;
}

/** @param {Item} item @param {string} name */
function showFlag(item, name) {
  const [start] = path.keys();
  const taken = [...(path.get(start)?.live ?? [])].join(", ");
  const steps = [...path].flatMap(([on, reached]) =>
    reached.steps.map((step) => {
      const to = link(on.path, () => jumpTo(on));
      return el(`li.${step.told.how}`, {}, to, el("div", {}, ...stepText(step)), callAt(step.call));
    }),
  );
  if (!start.parent || !steps.length) {
    const says = start.parent ? [" is told nothing by a known call"] : [" has ", code(taken)];
    steps.unshift(
      el(
        "li",
        {},
        link(start.path, () => jumpTo(start)),
        ...says,
      ),
    );
  }
  fillPanel(
    true,
    el("p.crumbs", {}, item.parent ? item.parent.path : "Model"),
    el("h2", {}, code(name), item.parent && ` of ${item.layer.name}`),
    el("p", {}, flagText(item.layer, name)),
    el("p", {}, "It ", ...howItGoes()),
    el("h3", {}, "Its path"),
    el("ol.path", {}, ...steps),
  );
  choose(item);
}

// -- the head -----------------------------------------------------------------------------------

function buildHead() {
  const kinds = /** @type {Kind[]} */ (Object.keys(KINDS));
  const counts = kinds.map((kind) => {
    const count = items.filter((item) => item.layer.kind === kind).length;
    const number = el("b", {}, count.toLocaleString("en"));
    return el("li", {}, number, ...kindText(kind), el("span.means", {}, KINDS[kind]));
  });
  const found = items.reduce((sum, item) => sum + item.layer.findings.length, 0);
  const findings = link(plural(found, "finding"), () => showOverview(true));
  byId("legend").append(
    el("li", {}, el("b", {}, plural(items.length, "layer"))),
    ...counts,
    el(found ? "li.bad" : "li", {}, findings),
  );
}

function start() {
  const heads = ["Layer", "Mode flags", "Draws from", "nnx.view takes"];
  const columns = heads.map((text) => el("div", { role: "columnheader" }, text));
  tree.append(el("div.heads", { role: "row" }, ...columns));
  for (const item of items) {
    buildRow(item);
    setOpen(item, item.level === 1 || items.length <= MANY);
    tree.append(item.row);
  }
  if (!items.length) tree.replaceWith(el("p", {}, "No models found."));
  const deepest = items.reduce((most, item) => Math.max(most, item.level), 1);
  document.documentElement.style.setProperty("--deepest", String(deepest));
  refresh();
  buildHead();
  showOverview();

  tree.addEventListener("keydown", onKey);
  tree.addEventListener("click", onClick);
  tree.addEventListener("focusin", (event) => stopAt(itemAt(event) ?? current));
  byId("unfold").addEventListener("click", () => setAllOpen(true));
  byId("fold").addEventListener("click", () => setAllOpen(false));
  byId("clear").addEventListener("click", () => {
    clear();
    current?.row.focus({ preventScroll: true });
  });
  byId("filter").addEventListener("input", (event) => {
    filter(/** @type {HTMLInputElement} */ (event.target).value);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.target === byId("filter")) return;
    if (followed) clear();
    else showOverview();
  });
}

start();
