// What the tests share: a server of their own, a browser, and ways through the pages.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';

const modules = createRequire(path.join(process.env.KINORA_STUDIO_MODULES ?? '.', 'here.js'));
const { chromium } = modules('playwright-core');
const axe = readFileSync(modules.resolve('axe-core/axe.min.js'), 'utf8');

const flags = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/** Server is kinora studio with a folder of its own. */
export class Server {
  constructor() {
    this.dir = mkdtempSync(path.join(tmpdir(), 'kinora-studio-'));
    this.listen = '127.0.0.1:0';
    this.log = '';
    // A job whose server was killed goes on as soon as its lease is over.
    writeFileSync(path.join(this.dir, 'config.yaml'), 'jobs:\n  lease: 1s\n  grace: 1s\n');
  }

  /** start runs it, and resolves to a link that signs in. */
  start() {
    this.process = spawn(process.env.KINORA, ['studio', '--no-open', '--data', path.join(this.dir, 'data'), '--config', path.join(this.dir, 'config.yaml'), '--listen', this.listen]);
    this.process.stderr.on('data', (text) => { this.log += text; });
    return new Promise((resolve, reject) => {
      let out = '';
      this.process.stdout.on('data', (text) => {
        out += text;
        const link = out.match(/http:\/\/\S+#\w+/)?.[0];
        if (!link) return;
        this.base = new URL(link).origin;
        this.listen = new URL(link).host;
        resolve(link);
      });
      this.process.on('exit', (code) => reject(new Error(`the server ended with ${code}: ${out}${this.log}`)));
    });
  }

  /** end stops it with a signal, and resolves to its exit code. */
  end(signal = 'SIGINT') {
    return new Promise((resolve) => {
      if (this.process.exitCode !== null || this.process.signalCode) return resolve(this.process.exitCode);
      this.process.removeAllListeners('exit');
      this.process.on('exit', (code) => resolve(code));
      this.process.kill(signal);
    });
  }

  remove() { rmSync(this.dir, { recursive: true, force: true }); }

  /** key makes a key of the server's. */
  key(...more) {
    return new Promise((resolve, reject) => {
      const made = spawn(process.env.KINORA, ['keys', 'create', '--project', 'default', '--name', 'test', '--data', path.join(this.dir, 'data'), ...more]);
      let out = '';
      made.stdout.on('data', (text) => { out += text; });
      made.on('exit', (code) => (code === 0 ? resolve(out.trim()) : reject(new Error(`keys create: ${code}`))));
    });
  }
}

/** browse starts a browser. */
export const browse = () => chromium.launch({ executablePath: process.env.KINORA_CHROMIUM ?? '/usr/bin/chromium', args: flags });

/** visit opens a window that is signed in. Faults of the page fail the test. */
export async function visit(browser, server, link, { lang = 'en', theme = 'dark', width = 1280, height = 900 } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, locale: 'en-US' });
  const at = { url: server.base + '/studio/' };
  await context.addCookies([{ name: 'kinora_lang', value: lang, ...at }, { name: 'kinora_theme', value: theme, ...at }]);
  const page = await context.newPage();
  watch(page);
  if (link) {
    await page.goto(link);
    await page.waitForURL(server.base + '/studio/');
  }
  return { context, page };
}

/** faults are what pages complained of: there should be none. */
export const faults = [];

/** watch collects a page's faults. What a lost server makes a browser say is none. */
export function watch(page) {
  page.on('pageerror', (err) => faults.push(`${page.url()}: ${err.stack}`));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !/ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY|ERR_NETWORK|401|404/.test(message.text())) faults.push(`${page.url()}: ${message.text()}`);
  });
}

/** cookies of a session, for a window of its own. */
export async function share(browser, context, options) {
  const state = await context.storageState();
  const other = await browser.newContext({ storageState: state, ...options });
  return other;
}

/** make fills in the form and sends it. Few steps give a poor picture soon. */
export async function make(page, prompt, { seconds = 1, versions = 1, steps = 2 } = {}) {
  await page.locator('[data-model] option').first().waitFor({ state: 'attached' });
  await page.fill('#prompt', prompt);
  await page.locator('[data-seconds]').evaluate((range, n) => { range.value = n; range.dispatchEvent(new Event('input', { bubbles: true })); }, seconds);
  await page.selectOption('[data-versions]', String(versions));
  await page.fill('[data-steps]', String(steps));
  await page.click('[data-send]');
}

/** audit runs axe-core, and returns what is serious. */
export async function audit(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return violations.filter((v) => ['serious', 'critical'].includes(v.impact)).map((v) => `${v.id}: ${v.nodes.map((n) => n.target + ' ' + n.failureSummary).join('; ')}`);
}
