// Makes the pictures of docs/studio.md: a server, some videos, a screenshot of each page.
//   node tests/studio/pictures.mjs FOLDER

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { browse, make, Server, visit } from './helpers.mjs';

const folder = process.argv[2];
const prompts = [
  'a yellow balloon moves up over the mountains', 'a blue boat moves left on the ocean at night', 'a white bird moves right in the snow', 'a red train moves right on a beach at sunset',
  'two orange fish under water', 'a purple rocket moves up in space',
];
const server = new Server();
const link = await server.start();
const browser = await browse();
const work = mkdtempSync(path.join(tmpdir(), 'kinora-pictures-'));
try {
  const { page } = await visit(browser, server, link, { width: 1600, height: 1100 });
  const shot = async (name) => {
    const png = path.join(work, name + '.png');
    await page.screenshot({ path: png });
    execFileSync('ffmpeg', ['-y', '-loglevel', 'error', '-i', png, '-vf', 'scale=1200:-2:flags=lanczos', '-q:v', '5', path.join(folder, `studio-${name}.jpg`)]);
  };
  for (const [i, prompt] of prompts.entries()) {
    await page.locator('[data-model] option').first().waitFor({ state: 'attached' });
    await page.fill('[data-seed]', String(7 + i));
    await make(page, prompt, { seconds: 2, steps: 16 });
  }
  await page.waitForFunction((n) => document.querySelectorAll('.poster[data-state=succeeded]').length === n, prompts.length, { timeout: 600000 });
  await page.reload();
  await page.locator('[aria-busy]').first().waitFor({ state: 'detached' });
  await page.goto(server.base + '/studio/library');
  await page.locator('.poster').nth(prompts.length - 1).waitFor();
  for (const n of [1, 3]) await page.locator('.poster').nth(n).getByRole('button', { name: /^Favourite/ }).click();
  for (const tag of ['nature', 'for the trailer']) {
    await page.locator('.poster .screen').nth(3).click();
    await page.locator('dialog .tags input').fill(tag);
    await page.keyboard.press('Enter');
    await page.locator('dialog .tags li', { hasText: tag }).waitFor();
    await page.keyboard.press('Escape');
  }
  await page.mouse.move(5, 5);
  await page.evaluate(() => document.activeElement.blur());
  await page.waitForTimeout(500);
  await shot('library');
  await page.goto(server.base + '/studio/');
  await page.locator('[aria-busy]').first().waitFor({ state: 'detached' });
  await page.fill('#prompt', 'a red cat bounces on a beach at sunset');
  await page.waitForTimeout(1500);
  await shot('create');
  await make(page, 'a green car moves left in the city at night', { seconds: 20, steps: 16, versions: 3 });
  await page.goto(server.base + '/studio/queue');
  await page.locator('.job[data-state=running] .screen img').waitFor({ timeout: 120000 });
  await page.waitForTimeout(4000);
  await shot('queue');
} finally {
  await browser.close();
  await server.end('SIGKILL');
  server.remove();
  rmSync(work, { recursive: true });
}
