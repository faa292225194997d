// The studio in Chromium, on a server with the model inside the program.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { audit, browse, faults, make, Server, share, visit, watch } from './helpers.mjs';

const server = new Server();
let browser, link, window, page;

before(async () => {
  link = await server.start();
  browser = await browse();
  window = await visit(browser, server, link);
  page = window.page;
});
after(async () => {
  await browser?.close();
  await server.end();
  server.remove();
});
afterEach(() => {
  assert.deepEqual(faults.splice(0), []);
});

const card = (of, state) => of.locator(`.poster${state ? `[data-state=${state}]` : ''}`);
async function home(of = page) {
  await of.goto(server.base + '/studio/');
  await of.locator('[aria-busy]').waitFor({ state: 'detached' });
}

/** next waits for the newest poster to reach a state, and returns it. */
async function next(of, count, state) {
  await of.waitForFunction(([n, s]) => document.querySelectorAll(`.poster[data-state=${s}]`).length >= n, [count, state], { timeout: 60000 });
  return card(of, state).first();
}

test('the link signs in once, and leaves no code in the address', async () => {
  assert.equal(page.url(), server.base + '/studio/');
  const other = await browser.newContext();
  const late = await other.newPage();
  await late.goto(link);
  await late.waitForSelector('[role=alert]');
  assert.match(await late.locator('h1').innerText(), /Welcome/);
  assert.equal((await other.cookies()).filter((c) => c.name.includes('session')).length, 0);
  const [cookie] = (await window.context.cookies()).filter((c) => c.name.includes('session'));
  assert.equal(cookie.httpOnly && cookie.sameSite, 'Strict');
  assert.equal(await page.evaluate(() => document.cookie.includes('session') || JSON.stringify({ ...localStorage, ...sessionStorage }).includes('kn-')), false);
  await other.close();
});

test('from a prompt to a video that plays', async () => {
  await home();
  await page.locator('[data-empty]').waitFor();
  await make(page, 'a red ball bounces on a beach');
  const poster = await next(page, 1, 'succeeded');
  await poster.locator('.screen').click();
  await page.waitForFunction(() => document.querySelector('dialog video')?.currentTime > 0.1);
  const video = await page.locator('dialog video').evaluate((v) => [v.videoWidth, v.videoHeight, v.error]);
  assert.deepEqual(video, [256, 160, null]);
  assert.match(await page.locator('dialog').innerText(), /256×160/);
  await page.keyboard.press('Escape');
  await page.locator('dialog').waitFor({ state: 'detached' });
});

test('words are offered while one types, and unknown ones are marked', async () => {
  await home();
  await page.locator('[data-model] option').first().waitFor({ state: 'attached' });
  await page.locator('#prompt').pressSequentially('a tiger on a bea');
  await page.getByRole('option', { name: 'beach' }).waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  assert.equal(await page.inputValue('#prompt'), 'a tiger on a beach');
  await page.locator('[data-ink] mark', { hasText: 'tiger' }).waitFor({ state: 'attached' });
  await page.locator('[data-unknown] button', { hasText: 'cat' }).click();
  assert.equal(await page.inputValue('#prompt'), 'a cat on a beach');
  await page.locator('[data-unknown]').waitFor({ state: 'hidden' });
  await page.locator('[data-camera] summary').click();
  await page.getByRole('button', { name: 'Pan left', exact: true }).click();
  assert.equal(await page.inputValue('#prompt'), '[Pan left] a cat on a beach');
  assert.match(await page.locator('[data-quote]').innerText(), /About/);
});

test('a first frame is taken as a file, and quoted', async () => {
  await home();
  await page.locator('[data-frame-label]').waitFor();
  const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR4nGP4z8BAEiJN9aiGUQ1DSgMAkO/+Afme2aMAAAAASUVORK5CYII=', 'base64');
  await page.locator('[data-frame-file]').setInputFiles({ name: '<img src=x onerror=alert(1)>.png', mimeType: 'image/png', buffer: png });
  await page.locator('[data-frame-image]').waitFor();
  await page.locator('[data-frame-drop]').click();
  await page.locator('[data-frame]').waitFor({ state: 'hidden' });
});

test('a job that runs, and one that waits, are cancelled', async () => {
  await home();
  await make(page, 'a blue boat moves left on the ocean', { seconds: 20, versions: 2, steps: 16 });
  await page.waitForFunction(() => document.querySelectorAll('.poster:is([data-state=queued], [data-state=running])').length === 2);
  await page.goto(server.base + '/studio/queue');
  await page.locator('.job[data-state=running]').waitFor();
  await page.locator('[data-line] .job[data-state=queued]').waitFor();
  for (const state of ['queued', 'running']) await page.locator(`[data-line] .job[data-state=${state}]`).getByRole('button', { name: /^Cancel/ }).click();
  await page.locator('[data-empty]').waitFor({ timeout: 30000 });
  await page.waitForFunction(() => document.querySelectorAll('[data-ended] .job[data-state=cancelled]').length === 2);
});

test('a reload, a second tab, and a server that is killed lose nothing', async () => {
  await home();
  await make(page, 'a yellow bird moves right in the mountains', { seconds: 6, steps: 16 });
  await card(page, 'running').waitFor();
  const id = await card(page, 'running').getAttribute('data-job');
  await page.reload();
  await page.locator(`[data-job=${id}][data-state=running]`).waitFor();
  const tab = await window.context.newPage();
  watch(tab);
  await home(tab);
  await tab.locator(`[data-job=${id}][data-state=running]`).waitFor();
  await page.locator(`[data-job=${id}] .screen img`).waitFor({ timeout: 30000 }); // a preview
  await server.end('SIGKILL');
  for (const one of [page, tab]) await one.locator('[data-link][data-lost]').waitFor({ timeout: 15000 });
  await server.start();
  for (const one of [page, tab]) {
    await one.locator(`[data-job=${id}][data-state=succeeded]`).waitFor({ timeout: 90000 });
    assert.equal(await one.locator('[data-link]').innerText(), '');
  }
  await tab.close();
});

test('many tabs share a stream', async () => {
  let streams = 0;
  const counted = (request) => { if (request.url().endsWith('/v1/events')) streams++; };
  window.context.on('request', counted);
  await home();
  const tabs = await Promise.all([...Array(9)].map(async () => {
    const tab = await window.context.newPage();
    watch(tab);
    await home(tab);
    return tab;
  }));
  const sent = page.waitForResponse((r) => r.url().endsWith('/v1/jobs') && r.request().method() === 'POST');
  await make(page, 'a red cat walks in the city');
  const { id } = await (await sent).json();
  for (const tab of tabs) await tab.locator(`[data-job=${id}][data-state=succeeded]`).waitFor({ timeout: 60000 });
  window.context.off('request', counted);
  assert.equal(streams, 1, 'tabs that came later opened streams of their own');
  await Promise.all(tabs.map((tab) => tab.close()));
});

test('by keyboard alone, from the key to the video', async () => {
  const key = await server.key();
  const { context, page: keys } = await visit(browser, server, null);
  await home(keys);
  await keys.waitForURL(/sign-in/);
  await keys.keyboard.type(key);
  await keys.keyboard.press('Enter');
  await keys.waitForURL(server.base + '/studio/');
  await keys.locator('[data-model] option').first().waitFor({ state: 'attached' });
  const before = await card(keys, 'succeeded').count();
  await keys.keyboard.type('a green fish under water');
  await keys.keyboard.press('Escape');
  for (let i = 0; i < 12 && !(await keys.evaluate(() => document.activeElement.matches('[data-seconds]'))); i++) await keys.keyboard.press('Tab');
  await keys.keyboard.press('Home');
  await keys.keyboard.press('Control+Enter');
  for (let i = 0; i < 8 && !(await keys.evaluate(() => document.activeElement.matches('[data-send]'))); i++) await keys.keyboard.press('Tab');
  await keys.keyboard.press('Enter');
  await next(keys, before + 1, 'succeeded');
  for (let i = 0; i < 6 && !(await keys.evaluate(() => document.activeElement.matches('.screen'))); i++) await keys.keyboard.press('Tab');
  await keys.keyboard.press('Enter');
  await keys.waitForFunction(() => document.querySelector('dialog video')?.currentTime > 0);
  await keys.keyboard.press('Escape');
  assert.equal(await keys.evaluate(() => document.activeElement.matches('.screen')), true);
  await context.close();
});

test('in Arabic, from right to left', async () => {
  const context = await share(browser, window.context, { viewport: { width: 1280, height: 900 } });
  await context.addCookies([{ name: 'kinora_lang', value: 'ar', url: server.base + '/studio/' }]);
  const arabic = await context.newPage();
  watch(arabic);
  await home(arabic);
  assert.equal(await arabic.evaluate(() => document.documentElement.dir), 'rtl');
  const rail = await arabic.locator('.rail').boundingBox();
  assert.ok(rail.x > 1000, `the navigation is at ${rail.x}`);
  await arabic.locator('[data-model] option').first().waitFor({ state: 'attached' });
  const before = await card(arabic, 'succeeded').count();
  await arabic.locator('#prompt').pressSequentially('قطة حمراء على الشا');
  await arabic.getByRole('option').first().waitFor();
  await arabic.keyboard.press('Escape');
  await make(arabic, 'قطة حمراء تقفز على الشاطئ');
  await next(arabic, before + 1, 'succeeded');
  const poster = card(arabic, 'succeeded').filter({ hasText: 'قطة' });
  await poster.locator('.screen').click();
  await arabic.waitForFunction(() => document.querySelector('dialog video')?.currentTime > 0);
  assert.equal(await arabic.locator('dialog h2').innerText(), 'قطة حمراء تقفز على الشاطئ');
  await context.close();
});

test('a hostile prompt is text, and runs nothing', async () => {
  await home();
  let ran = false;
  page.on('dialog', (dialog) => { ran = true; dialog.dismiss(); });
  const hostile = '</script><script>alert(1)</script><img src=x onerror=alert(2)> a red ball';
  await make(page, hostile);
  const id = await page.waitForFunction((text) => [...document.querySelectorAll('.poster')].find((p) => p.textContent.includes(text) && p.dataset.state === 'succeeded')?.dataset.job, hostile, { timeout: 60000 }).then((h) => h.jsonValue());
  await page.locator(`[data-job=${id}] .screen`).click();
  await page.locator('dialog h2', { hasText: '<script>' }).waitFor();
  await page.goto(server.base + '/studio/?remix=' + id);
  await page.waitForFunction((text) => document.querySelector('#prompt').value === text, hostile);
  assert.equal(ran, false);
});

test('deleted, and taken back', async () => {
  await home();
  const poster = await next(page, 1, 'succeeded');
  const id = await poster.getAttribute('data-job');
  await poster.getByRole('button', { name: /^Delete/ }).click();
  await page.locator(`.poster[data-job=${id}]`).waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.locator(`.poster[data-job=${id}]`).waitFor();
});

test('the library finds, marks, compares and extends', async () => {
  await home();
  for (const prompt of ['a purple rocket in space', 'a white dog in the city']) {
    const before = await card(page, 'succeeded').count();
    await make(page, prompt);
    await next(page, before + 1, 'succeeded');
  }
  await page.goto(server.base + '/studio/library');
  const rocket = page.locator('.poster', { hasText: 'a purple rocket' }), dog = page.locator('.poster', { hasText: 'a white dog' });
  await rocket.waitFor();
  const all = await page.locator('.poster').count();
  await rocket.getByRole('button', { name: /^Favourite/ }).click();
  await rocket.locator('[aria-pressed=true]').waitFor();
  await page.fill('[data-query]', 'ROCKET space');
  await dog.waitFor({ state: 'detached' });
  assert.equal(await page.locator('.poster').count(), 1);
  await page.fill('[data-query]', 'no such words');
  await page.getByRole('button', { name: 'Show all' }).click();
  await dog.waitFor();
  await page.getByRole('button', { name: 'Favourites', exact: true }).click();
  await dog.waitFor({ state: 'detached' });
  await rocket.waitFor();
  await page.getByRole('button', { name: 'Favourites', exact: true }).click();
  await dog.waitFor();
  assert.equal(await page.locator('.poster').count(), all);

  await dog.locator('.screen').click();
  await page.locator('dialog .tags input').fill('<b>good</b> boy');
  await page.keyboard.press('Enter');
  await page.locator('dialog .tags li').waitFor();
  await page.keyboard.press('Escape');
  await page.locator('[data-tags] button', { hasText: '<b>good</b> boy' }).click();
  await rocket.waitFor({ state: 'detached' });
  await page.locator('[data-tags] button[aria-pressed=true]').click();
  await rocket.waitFor();

  await page.getByRole('button', { name: 'Compare' }).click();
  await rocket.locator('.screen').click();
  await dog.locator('.screen').click();
  await page.waitForFunction(() => { const v = [...document.querySelectorAll('dialog video')]; return v.length === 2 && v.every((one) => one.currentTime > 0.1); });
  await page.locator('.together button').click();
  await page.locator('.together input').fill('500');
  const times = await page.locator('dialog video').evaluateAll((list) => list.map((v) => v.currentTime));
  assert.ok(Math.abs(times[0] - times[1]) < 0.1 && times[0] > 0.3, `they are at ${times}`);
  await page.keyboard.press('Escape');

  await dog.locator('.screen').click();
  await page.getByRole('link', { name: 'Extend' }).click();
  await page.waitForFunction(() => document.querySelector('#prompt').value === 'a white dog in the city' && !document.querySelector('[data-frame]').hidden);
  const before = await card(page, 'succeeded').count();
  await make(page, 'the dog moves left');
  await next(page, before + 1, 'succeeded');
  await page.locator('.poster', { hasText: 'the dog moves left' }).locator('.screen').click();
  await page.waitForFunction(() => document.querySelector('dialog video')?.duration > 1.8);
  await page.keyboard.press('Escape');
});

test('jobs that wait change places', async () => {
  await home();
  await make(page, 'a red car in the desert', { seconds: 30, versions: 3, steps: 16 });
  await page.waitForFunction(() => document.querySelectorAll('.poster:is([data-state=queued], [data-state=running])').length === 3);
  await page.goto(server.base + '/studio/queue');
  await page.locator('[data-line] .job[data-state=running]').waitFor(); // two wait from now on
  const waiting = page.locator('[data-line] .job[data-state=queued]');
  await waiting.nth(1).waitFor();
  const ids = await waiting.evaluateAll((list) => list.map((row) => row.dataset.job));
  await waiting.nth(1).getByRole('button', { name: /^Sooner/ }).click();
  await page.waitForFunction((first) => document.querySelector('[data-line] .job[data-state=queued]')?.dataset.job === first, ids[1]);
  for (const state of ['queued', 'queued', 'running']) {
    const row = page.locator(`[data-line] .job[data-state=${state}]`).first(), id = await row.getAttribute('data-job');
    await row.getByRole('button', { name: /^Cancel/ }).click();
    await page.locator(`[data-line] .job[data-job=${id}]`).waitFor({ state: 'detached', timeout: 30000 });
  }
  await page.locator('[data-empty]').waitFor({ timeout: 30000 });
});

const looks = [['dark', 'en'], ['light', 'en'], ['dark', 'ar'], ['light', 'ar']];
for (const [theme, lang] of looks) {
  test(`nothing serious for axe-core: ${theme}, ${lang}`, async () => {
    const at = { url: server.base + '/studio/' };
    const context = await share(browser, window.context, { viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce' });
    const set = [{ name: 'kinora_lang', value: lang, ...at }, { name: 'kinora_theme', value: theme, ...at }];
    await context.addCookies(set);
    const one = await context.newPage();
    const found = {};
    const check = async (name) => { const list = await audit(one); if (list.length) found[name] = list; };
    for (const path of ['', 'queue', 'library', 'nothing']) {
      await one.goto(at.url + path);
      if (path !== 'nothing') await one.locator('[aria-busy]').first().waitFor({ state: 'detached' });
      await check('/studio/' + path);
    }
    await home(one);
    await (await next(one, 1, 'succeeded')).locator('.screen').click();
    await one.locator('dialog').waitFor();
    await check('player');
    await one.keyboard.press('Escape');
    await one.locator('.menu summary').click();
    await one.locator('[data-words] summary').click();
    await one.locator('[data-camera] summary').click();
    await one.fill('#prompt', 'a tiger and a dragon');
    await one.locator('[data-unknown]').waitFor();
    await check('Create, all open');
    await context.clearCookies({ name: /session/ });
    await one.goto(at.url + 'sign-in');
    await check('sign-in');
    await context.close();
    assert.deepEqual(found, {});
  });
}

test('no other page can frame it', async () => {
  const other = await window.context.newPage();
  await other.route('http://evil.example/', (route) => route.fulfill({ contentType: 'text/html', body: `<iframe src="${server.base}/studio/"></iframe>` }));
  await other.goto('http://evil.example/');
  await other.waitForTimeout(500);
  const frame = other.frames()[1];
  assert.equal(await frame.locator('#prompt').count().catch(() => 0), 0);
  await other.close();
  faults.length = 0; // the browser says that it refused
});

test('who signed out is out, in every tab, and a copy of the cookie is worthless', async () => {
  const stolen = await share(browser, window.context);
  await home();
  await page.locator('.menu summary').click();
  await page.locator('.sheet form button').click();
  await page.waitForURL(/sign-in/);
  const thief = await stolen.newPage();
  await home(thief);
  assert.match(thief.url(), /sign-in/);
  const answer = await thief.evaluate(async () => (await fetch('/v1/jobs')).status);
  assert.equal(answer, 401);
  await stolen.close();
});

test('Ctrl-C ends it', async () => {
  await browser.close();
  assert.equal(await server.end('SIGINT'), 0, server.log);
});
