// Tests the page of a trace in Chromium.
//
//     node tests/page/page.mjs QUARANTINE_SCAN CHROMIUM FOLDER
//
// The pages and their screenshots are written to FOLDER.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { chromium } from "playwright-core";

const [scan, executablePath, folder] = process.argv.slice(2);
const axe = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const KEY = "AKIAIOSFODNN7EXAMPLE";
const WIDTHS = [360, 800, 1280];

fs.rmSync(folder, { recursive: true, force: true });
fs.mkdirSync(folder, { recursive: true });

/** Runs a trace, whose exit status 1 means that calls were found. */
function trace(key, logs, ...options) {
  try {
    execFileSync(scan, ["trace", key, logs, ...options], { stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 30 });
  } catch (error) {
    if (error.status === 1) return error.stdout.toString();
    throw error;
  }
  throw new Error("the trace found no call");
}

function page(name, key, logs, ...options) {
  const file = path.resolve(folder, `${name}.html`);
  trace(key, logs, "--format", "html", "--output", file, ...options);
  return file;
}

function logFile(name, records) {
  const logs = path.join(folder, `${name}-logs`);
  fs.mkdirSync(logs);
  fs.writeFileSync(path.join(logs, "log.json.gz"), gzipSync(JSON.stringify({ Records: records }), { level: 1 }));
  return logs;
}

function record(number, fields = {}) {
  return {
    eventID: `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`,
    eventTime: new Date(Date.UTC(2026, 9, 1) + number * 1000).toISOString().replace(".000", ""),
    eventSource: "iam.amazonaws.com",
    eventName: "ListUsers",
    awsRegion: "us-east-1",
    recipientAccountId: "123456789012",
    sourceIPAddress: "198.51.100.7",
    userAgent: "aws-cli/2",
    userIdentity: { type: "IAMUser", accessKeyId: KEY, userName: "a", arn: "arn:aws:iam::123456789012:user/a" },
    ...fields,
  };
}

const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

/** Opens a page, and fails if it requests anything or reports an error. */
async function open(file, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 1000 }, ...options });
  const opened = await context.newPage();
  const complaints = [];
  opened.on("console", (message) => complaints.push(message.text()));
  opened.on("pageerror", (error) => complaints.push(error.message));
  opened.on("dialog", (dialog) => complaints.push(dialog.message()));
  opened.on("request", (request) => {
    if (request.url() !== pathToFileURL(file).href) complaints.push(request.url());
  });
  await opened.goto(pathToFileURL(file).href);
  return { opened, complaints, shown: () => opened.locator("#shown").textContent() };
}

const tests = {
  async "screenshots at three widths have no serious fault of accessibility"() {
    const file = page("scenario", KEY, "events/trace");
    for (const width of WIDTHS) {
      for (const colorScheme of ["light", "dark"]) {
        const { opened, complaints } = await open(file, { viewport: { width, height: 1000 }, colorScheme });
        await opened.screenshot({ path: path.join(folder, `scenario-${width}-${colorScheme}.png`) });
        await opened.locator("details").evaluateAll((all) => all.forEach((one) => (one.open = true)));
        await opened.evaluate(axe);
        const { violations, passes } = await opened.evaluate(() => axe.run());
        assert(passes.length > 20, `only ${passes.length} rules were checked`);
        const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
        assert.deepEqual(serious.map(({ id, nodes }) => [id, nodes[0].html]), []);
        // The page itself must not scroll sideways.
        const overflow = await opened.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert(overflow <= 0, `${overflow} pixels too wide at ${width}`);
        assert.deepEqual(complaints, []);
      }
    }
  },

  async "the first screen shows the verdict, and what to do in which order"() {
    const { opened } = await open(path.resolve(folder, "scenario.html"));
    const { leftBehind } = JSON.parse(trace(KEY, "events/trace", "--format", "json"));
    const there = leftBehind.filter(({ removedAt }) => removedAt === null);
    assert(there.length > 5);
    for (const name of ["First: deactivate keys", "Then: undo"]) {
      assert((await opened.getByRole("heading", { name }).boundingBox()).y < 1000, name);
    }
    const commands = await opened.locator("code.command").allTextContents();
    const first = commands.filter((command) => command.startsWith("aws iam update-access-key"));
    assert.equal(first.length, 2);
    assert.deepEqual(commands.slice(first.length), there.reverse().flatMap(({ undo }) => undo ?? []));
  },

  async "filters show the calls that they name"() {
    const { opened, complaints, shown } = await open(path.resolve(folder, "scenario.html"));
    const calls = trace(KEY, "events/trace", "--format", "ndjson").trim().split("\n").map((line) => JSON.parse(line));
    const denied = calls.filter(({ outcome }) => outcome === "denied").length;
    assert(denied > 3 && denied < calls.length);
    assert.equal(await shown(), `Calls 1 to ${calls.length} of ${calls.length}, of ${calls.length} in all.`);
    await opened.getByLabel("Outcome").selectOption({ label: `denied (${denied})` });
    assert.equal(await shown(), `Calls 1 to ${denied} of ${denied}, of ${calls.length} in all.`);
    assert.equal(await opened.locator("#calls tbody tr").count(), denied);
    await opened.getByLabel("Contains").fill("no such text");
    assert.equal(await shown(), `No call, of ${calls.length} in all.`);
    await opened.getByRole("button", { name: "Show all" }).click();
    await opened.getByLabel("Contains").fill("ASSUMEROLE");
    const assumed = calls.filter(({ eventName }) => eventName === "AssumeRole").length;
    assert(assumed > 1);
    assert.equal(await shown(), `Calls 1 to ${assumed} of ${assumed}, of ${calls.length} in all.`);
    assert.deepEqual(complaints, []);
  },

  async "a copied command is the command"() {
    const { opened } = await open(path.resolve(folder, "scenario.html"), { permissions: ["clipboard-read", "clipboard-write"] });
    await opened.getByRole("button", { name: /^Copy/ }).first().click();
    await opened.getByText("Copied").waitFor();
    const copied = await opened.evaluate(() => navigator.clipboard.readText());
    assert.equal(copied, await opened.locator("code.command").first().textContent());
  },

  async "without scripts everything except the timeline is there"() {
    const { opened } = await open(path.resolve(folder, "scenario.html"), { javaScriptEnabled: false });
    assert(await opened.locator("#without-script").isVisible());
    assert(await opened.locator("code.command").first().isVisible());
    assert(await opened.locator("#filters").isHidden());
  },

  async "a hostile log runs nothing, loads nothing and adds no element"() {
    const attacks = [
      `</script><script>document.title="owned"</script>`,
      `<img src="https://example.com/x" onerror="document.title='owned'">`,
      `"><svg onload=document.title='owned'>`,
      `'-alert(1)-'`,
      `<!--<script>`,
      `</style><link rel=stylesheet href=https://example.com/x>`,
      `</title></textarea><iframe srcdoc="<script>parent.document.title='owned'</script>">`,
      `javascript:document.title='owned'`,
      `\u202e\u0000\u2028]]>{{constructor.constructor('document.title=1')()}}`,
    ];
    const records = attacks.flatMap((attack, at) => [
      record(2 * at, {
        eventName: attack, awsRegion: attack, sourceIPAddress: attack, userAgent: attack, errorCode: attack,
        errorMessage: attack, recipientAccountId: attack, requestParameters: { userName: attack, bucketName: attack },
        userIdentity: { type: attack, accessKeyId: KEY, userName: attack, arn: attack, accountId: attack },
      }),
      record(2 * at + 1, { eventName: "CreateUser", requestParameters: { userName: attack }, responseElements: { user: { userName: attack } } }),
      record(100 + at, { eventName: "AssumeRole", eventSource: "sts.amazonaws.com", eventID: attack, responseElements: { credentials: { accessKeyId: attack } } }),
    ]);
    const file = page("hostile", KEY, logFile("hostile", records));
    const { opened, complaints } = await open(file);
    const text = await opened.locator("main").textContent();
    attacks.slice(0, 8).forEach((attack) => assert(text.includes(attack), attack));
    await opened.getByLabel("Contains").fill("<img");
    assert((await opened.locator("#calls tbody tr").count()) > 0);
    assert.equal(await opened.title(), `Trace of ${KEY}`);
    const foreign = "img,iframe,object,embed,link,base,textarea,[onload],[onerror],[onclick],[href],[src],[style]";
    assert.equal(await opened.locator(foreign).count(), 0);
    assert.equal(await opened.locator("script").count(), 2);
    assert.equal(await opened.locator("style").count(), 1);
    assert.deepEqual(complaints, []);
  },

  async "its policy forbids a script that is not its own"() {
    const foreign = path.resolve(folder, "foreign.html");
    const own = fs.readFileSync(path.resolve(folder, "scenario.html"), "utf8");
    fs.writeFileSync(foreign, own.replace("<main>", `<main><script>document.title="owned"</script><img src="https://example.com/x">`));
    const { opened, complaints } = await open(foreign);
    assert.equal(await opened.title(), `Trace of ${KEY}`);
    assert.equal(complaints.filter((complaint) => complaint.includes("Content Security Policy")).length, 2, complaints.join("\n"));
  },

  async "beyond 100,000 calls it says what it left out"() {
    const records = Array.from({ length: 100_050 }, (_, number) => record(number, number === 99_999 ? { eventName: "LastOne" } : {}));
    const file = page("many", KEY, logFile("many", records), "--no-follow");
    const { opened, complaints, shown } = await open(file);
    assert(await opened.getByText("50 later calls are left out.").isVisible());
    assert.equal(await shown(), "Calls 1 to 100 of 100,000, of 100,000 in all.");
    await opened.getByRole("button", { name: "Later calls" }).click();
    assert.equal(await shown(), "Calls 101 to 200 of 100,000, of 100,000 in all.");
    await opened.getByLabel("Contains").fill("lastone");
    assert.equal(await shown(), "Calls 1 to 1 of 1, of 100,000 in all.");
    assert.deepEqual(complaints, []);
  },
};

for (const [name, test] of Object.entries(tests)) {
  await test();
  console.log(`ok: ${name}`);
}
await browser.close();
