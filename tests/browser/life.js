// Drives the broadcast pages in a headless Chromium, by keyboard alone: a draft, its dry run, an
// approval by somebody else, the start, a pause, the end; small and wide, dark and light, in both
// languages. Says what it saw as one line of JSON; pictures go into SHOTS.
"use strict";
const fs = require("fs");
const path = require("path");
const puppeteer = require("puppeteer-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const { BASE, AUTHOR, APPROVER, LIST_ROWS, XPID, SHOTS, CHROMIUM } = process.env;
const seen = { pages: 0, findings: [], wide: [], states: [], moved: 0, stale: 0, reloads: 0 };
const PATIENCE = 20000;

// A page may be loaded anew at any moment: what that breaks off is done again.
async function steady(work) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (tries >= 5 || !/context|navigat|detached|No element/i.test(error.message)) throw error;
      await new Promise((done) => setTimeout(done, 200));
    }
  }
}

// Looks at a page: what axe finds, whether it is wider than its window, and a picture of it.
const look = (page, name) => steady(() => lookOnce(page, name));

async function lookOnce(page, name) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run());
  seen.pages += 1;
  for (const { id, impact, nodes } of violations) {
    if (impact !== "serious" && impact !== "critical") continue;
    seen.findings.push(`${name}: ${id}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
  }
  const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (over > 0) seen.wide.push(`${name}: ${over}`);
  await page.screenshot({ path: path.join(SHOTS, `${name}.png`), fullPage: true });
}

// Goes to an element by the tabulator, as somebody without a mouse does.
const reach = (page, selector) => steady(() => reachOnce(page, selector));

async function reachOnce(page, selector) {
  for (let step = 0; step < 120; step += 1) {
    await page.keyboard.press("Tab");
    const isThere = await page.evaluate((it) => document.activeElement.matches(it), selector);
    if (isThere) return;
  }
  throw new Error(`${selector} is not reached by the keyboard at ${page.url()}`);
}

async function press(page, selector) {
  await reach(page, selector);
  await Promise.all([page.waitForNavigation({ timeout: PATIENCE }), page.keyboard.press("Enter")]);
}

async function fill(page, selector, text) {
  await reach(page, selector);
  await page.keyboard.down("Control");
  await page.keyboard.press("a");
  await page.keyboard.up("Control");
  await page.keyboard.type(text);
}

const classes = (it) => [...it.classList].find((name) => name.startsWith("s-")).slice(2);
const state = (page) => steady(() => page.$eval("#p-state .state", classes));

async function until(page, what, holds) {
  const end = Date.now() + PATIENCE;
  while (Date.now() < end) {
    // A page that is loaded anew at the moment is looked at again.
    if (await holds().catch(() => false)) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`${what} did not come at ${page.url()}`);
}

async function open(browser, { width, dark, lang, token, script = true }) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  await page.setJavaScriptEnabled(script);
  await page.setViewport({ width, height: 800, deviceScaleFactor: 1 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }]);
  await page.goto(`${BASE}/login?lang=${lang}`);
  await fill(page, "#token", token);
  await press(page, "main button");
  return page;
}

async function draft(page, { reqid, downs, perSecond }) {
  await press(page, "a[href='/dashboard/new']");
  await reach(page, "#class");
  for (let down = 0; down < downs; down += 1) await page.keyboard.press("ArrowDown");
  const from = await page.$eval("#from", (it) => it.value);
  if (from !== `${XPID} Hayauma`) throw new Error(`${from} is chosen, of what there is to choose`);
  await fill(page, "#areas", "13101, 27100 01100");
  await fill(page, "#text_ja", "高台へ避難してください。避難所は第一小学校です。");
  await fill(page, "#text_en", "Go to high ground now. The shelter is First School.");
  await fill(page, "#reqid", reqid);
  await fill(page, "#per_second", String(perSecond));
}

// A draft that is refused comes back as it was typed.
async function refused(browser, as, name) {
  const page = await open(browser, { ...as, token: AUTHOR });
  await draft(page, { reqid: `refused-${name}`, downs: 1, perSecond: 400 });
  await fill(page, "#areas", "13101, x9");
  await press(page, "main form button.primary");
  await look(page, `${name}-new-refused`);
  const kept = await page.$eval("#text_ja", (it) => it.value);
  if (!kept.includes("避難所")) throw new Error("the text is lost");
  await page.close();
}

// The whole life of the real thing.
async function life(browser, as, name) {
  const { width, dark, lang } = as;
  const page = await open(browser, { width, dark, lang, token: AUTHOR });
  await look(page, `${name}-all-empty`);
  await draft(page, { reqid: `flood-${name}`, downs: 3, perSecond: 400 });
  await look(page, `${name}-new`);
  await press(page, "main form button.primary");
  const url = page.url();
  await look(page, `${name}-draft`);
  await press(page, "form[action$='/check'] button");
  await look(page, `${name}-checked`);
  const other = await open(browser, { width, dark, lang, token: APPROVER });
  await other.goto(url);
  await press(other, "a[href$='act=approve']");
  await look(other, `${name}-approve`);
  await press(other, "form[action$='/approve'] button");
  await page.goto(url);
  seen.states.push(await state(page));
  await press(page, "a[href$='act=start']");
  await look(page, `${name}-start`);
  await fill(page, "#recipients", LIST_ROWS);
  await press(page, "form[action$='/start'] button");
  await until(page, "the run", async () => (await state(page)) === "running");
  const value = () => steady(() => page.$eval("#p-big .value", (it) => it.textContent));
  const before = await value();
  await until(page, "a figure that moves", async () => (await value()) !== before);
  seen.moved += 1;
  await until(page, "some reached", async () => parseFloat(await value()) > 15);
  await look(page, `${name}-running`);
  seen.states.push(await state(page));
  await press(page, "form[action$='/pause'] button");
  await until(page, "the pause", async () => (await state(page)) === "paused");
  seen.states.push(await state(page));
  await look(page, `${name}-paused`);
  await page.goto(`${BASE}/dashboard`);
  await look(page, `${name}-all`);
  await page.goto(url);
  await press(page, "form[action$='/resume'] button");
  await until(page, "the run again", async () => (await state(page)) === "running");
  seen.states.push(await state(page));
  await press(page, "form[action$='/pause'] button");
  await press(page, "a[href$='act=cancel']");
  await look(page, `${name}-cancel`);
  await page.goto(url);
  await press(page, "a[href$='act=retract']");
  await look(page, `${name}-retract`);
  const shown = await page.$eval("input[name=shown]", (it) => it.value);
  await fill(page, "#typed", shown);
  await fill(page, "#reason", "wrong town");
  await press(page, "form[action$='/retract'] button");
  await look(page, `${name}-retraction`);
  await page.goto(url);
  await until(page, "the end", async () => {
    await page.reload();
    return (await state(page)) === "cancelled";
  });
  seen.states.push(await state(page));
  await look(page, `${name}-ended`);
  await press(page, "a[href$='/report']");
  await look(page, `${name}-report`);
  await page.goto(`${BASE}/dashboard/bc-none`);
  await look(page, `${name}-refused`);
}

// An exercise, without the script and where the stream is cut.
async function exercise(browser, as, name) {
  const { width, dark, lang } = as;
  const page = await open(browser, { width, dark, lang, token: AUTHOR });
  await draft(page, { reqid: `drill-${name}`, downs: 0, perSecond: 150 });
  await press(page, "main form button.primary");
  await press(page, "form[action$='/check'] button");
  await press(page, "a[href$='act=start']");
  await look(page, `${name}-drill-start`);
  await fill(page, "#recipients", LIST_ROWS);
  await press(page, "form[action$='/start'] button");
  await until(page, "the run", async () => (await state(page)) === "running");
  const url = page.url();
  const plain = await open(browser, { width: 320, dark, lang, token: AUTHOR, script: false });
  await plain.goto(url);
  // Nothing but the browser's own reload moves it.
  await plain.waitForNavigation({ timeout: PATIENCE });
  seen.reloads += 1;
  await plain.screenshot({ path: path.join(SHOTS, `${name}-drill-plain.png`), fullPage: true });
  await look(page, `${name}-drill-running`);
  await page.setRequestInterception(true);
  page.on("request", (request) => {
    if (request.url().includes("/live?")) request.abort();
    else request.continue();
  });
  await page.goto(url);
  await until(page, "the word that it is stale", () => page.$eval("#stale", (it) => !it.hidden));
  seen.stale += 1;
  await look(page, `${name}-drill-stale`);
  await press(page, "form[action$='/pause'] button");
}

(async () => {
  const browser = await puppeteer.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  });
  try {
    const small = { width: 360, dark: true, lang: "ja" };
    const wide = { width: 1280, dark: false, lang: "en" };
    await refused(browser, small, "small");
    await refused(browser, wide, "wide");
    await life(browser, small, "small");
    await life(browser, wide, "wide");
    await exercise(browser, { ...small, dark: false }, "small");
    await exercise(browser, { ...wide, dark: true }, "wide");
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify(seen));
})().catch((error) => {
  console.error(error.stack);
  process.exit(1);
});
