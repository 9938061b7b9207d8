"use strict";

// Everything from a log is put in as text, never as markup.
const element = (name, text, className) => {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
};

for (const command of document.querySelectorAll("code.command")) {
  const button = element("button", "Copy", "copy");
  button.type = "button";
  button.setAttribute("aria-label", "Copy: " + command.textContent.slice(0, 60));
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command.textContent);
      button.textContent = "Copied";
    } catch {
      // Without the right to the clipboard, the command is selected for Ctrl+C.
      getSelection().selectAllChildren(command);
      button.textContent = "Selected";
    }
  });
  command.parentElement.before(button);
}

const { texts, calls } = JSON.parse(document.getElementById("data").textContent);
const [TIME, IDENTITY, ACCOUNT, REGION, SERVICE, API, OUTCOME, ERROR, ADDRESS, AGENT, RESOURCE, FILE] = Array(12).keys();
const PAGE = 100;

const filters = document.getElementById("filters");
const body = document.querySelector("#calls tbody");
const chosen = { outcome: OUTCOME, identity: IDENTITY, service: SERVICE, address: ADDRESS };
const text = (call, field) => (call[0][field] === null ? "" : texts[call[0][field]]);

for (const [name, field] of Object.entries(chosen)) {
  const counts = new Map();
  for (const [fields] of calls) {
    if (fields[field] !== null) counts.set(fields[field], (counts.get(fields[field]) ?? 0) + 1);
  }
  const most = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 1000);
  const options = most.map(([number, count]) => new Option(`${texts[number]} (${count.toLocaleString("en")})`, number));
  filters.elements[name].replaceChildren(new Option("all", ""), ...options);
}

let found = calls;
let start = 0;

function filter() {
  const wanted = filters.elements.wanted.value.trim().toLowerCase();
  const has = texts.map((text) => text.toLowerCase().includes(wanted));
  const pairs = Object.entries(chosen).map(([name, field]) => [field, filters.elements[name].value]);
  const set = pairs.filter(([, value]) => value !== "").map(([field, value]) => [field, Number(value)]);
  found = calls.filter(
    ([fields, id]) =>
      set.every(([field, value]) => fields[field] === value) &&
      (wanted === "" || fields.some((number) => number !== null && has[number]) || (id ?? "").includes(wanted)),
  );
  start = 0;
  show();
}

function row(call) {
  const made = document.createElement("tr");
  const cell = (first, ...others) => {
    const made = element("td", first);
    for (const other of others.filter((other) => other !== "")) made.append(element("span", other, "second"));
    return made;
  };
  const outcome = cell(text(call, OUTCOME), text(call, ERROR));
  outcome.classList.add(text(call, OUTCOME));
  const time = cell(text(call, TIME) || "unknown");
  time.classList.add("time");
  made.append(
    time,
    cell(`${text(call, SERVICE)} ${text(call, API)}`, text(call, RESOURCE)),
    outcome,
    cell(text(call, IDENTITY)),
    cell(text(call, ADDRESS), text(call, AGENT)),
    cell(text(call, ACCOUNT), text(call, REGION)),
    cell(call[1] ?? "", text(call, FILE)),
  );
  return made;
}

function show() {
  const end = Math.min(start + PAGE, found.length);
  const number = (number) => number.toLocaleString("en");
  const part = found.length === 0 ? "No call" : `Calls ${number(start + 1)} to ${number(end)} of ${number(found.length)}`;
  document.getElementById("shown").textContent = `${part}, of ${number(calls.length)} in all.`;
  body.replaceChildren(...found.slice(start, end).map(row));
  document.getElementById("earlier").disabled = start === 0;
  document.getElementById("later").disabled = end === found.length;
}

const turn = (by) => {
  start += by;
  show();
};
document.getElementById("earlier").addEventListener("click", () => turn(-PAGE));
document.getElementById("later").addEventListener("click", () => turn(PAGE));
filters.addEventListener("input", filter);
// The fields are empty only after the event.
filters.addEventListener("reset", () => setTimeout(filter));
filters.addEventListener("submit", (event) => event.preventDefault());

document.getElementById("without-script").hidden = true;
filters.hidden = false;
document.getElementById("calls").hidden = false;
show();
