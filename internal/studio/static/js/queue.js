// Queue: what runs, what waits, and what ended lately.

import './shell.js';
import { $, ago, el, iconButton, int, t } from './core.js';
import { jobs } from './live.js';
import { actions, grid, hidden, linkState, move, nameOf, screenOf, standing } from './card.js';

function rowOf() {
  const screen = screenOf();
  const what = el('p', { class: 'what', dir: 'auto' });
  const how = el('p', { class: 'how' });
  const bar = el('i');
  const meter = el('div', { class: 'meter', role: 'progressbar', 'aria-valuemin': '0', 'aria-valuemax': '100' }, bar);
  const acts = el('div', { class: 'acts' });
  const node = el('li', { class: 'job' }, screen.node, el('div', { class: 'body' }, what, how, meter), acts);
  let shape = '';
  // A waiting job can be put one place forward or back.
  const waiting = () => jobs.inFlight().filter((j) => j.state === 'queued');
  const shift = (job, by) => {
    const line = waiting(), at = line.findIndex((j) => j.id === job.id);
    if (by < 0 && at > 0) move(job, line[at - 1]);
    if (by > 0 && at >= 0 && at + 1 < line.length) move(line[at + 1], job);
  };
  const arrows = (job) => (job.state === 'queued' ? [
    iconButton('up', `${t('sooner')}: ${nameOf(job)}`, () => shift(job, -1)), iconButton('down', `${t('later')}: ${nameOf(job)}`, () => shift(job, 1)),
  ] : []);
  return {
    node,
    update(job) {
      node.dataset.state = job.state;
      node.dataset.job = job.id;
      screen.update(job);
      what.textContent = nameOf(job);
      const failed = job.state === 'failed' && job.error;
      how.textContent = failed ? job.error.message : job.state === 'succeeded' ? ago(job.finished_at) : standing(job);
      how.className = failed ? 'how bad' : 'how';
      meter.hidden = job.state !== 'running';
      meter.setAttribute('aria-label', nameOf(job));
      meter.setAttribute('aria-valuenow', job.percent);
      bar.style.setProperty('--done', job.percent);
      if (shape !== job.state + job.cancel_asked) {
        shape = job.state + job.cancel_asked;
        acts.replaceChildren(...arrows(job), ...actions(job));
      }
    },
  };
}

const now = grid($('line'), rowOf);
const ended = grid($('ended'), rowOf);
$('ended').classList.add('brief');

jobs.watch(() => {
  const flight = jobs.inFlight();
  now(flight);
  $('empty').hidden = flight.length > 0;
  const over = jobs.newest().filter((j) => j.finished_at && !hidden(j)).sort((a, b) => b.finished_at.localeCompare(a.finished_at)).slice(0, 12);
  ended(over);
  $('ended-empty').hidden = over.length > 0;
  document.title = (flight.length ? `(${int(flight.length)}) ` : '') + t('page.queue') + ' · Kinora';
  linkState();
});
