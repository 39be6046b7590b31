// The summary of a run as a picture: for each scenario a bar per proxy, as ratio to HAProxy, which is
// the line at 1. Shorter is better.

import type { ProxyName } from './contest.ts';
import type { SummaryRow } from './summary.ts';
import type { Spread } from './table.ts';

interface Bar {
  readonly proxy: ProxyName;
  readonly colour: string;
}

const bars: readonly Bar[] = [
  { proxy: 'ballast', colour: '#1f6fb2' },
  { proxy: 'nginx', colour: '#9aa5b1' },
  { proxy: 'net-relay', colour: '#d8b36a' }
];
const aimColour = '#2e9e5b';
const mustColour = '#d64545';
const ink = '#27323d';
const gridColour = '#e3e8ed';

const barHeight = 9;
const groupGap = 13;
const top = 78;
const bottom = 34;
const left = 170;
const plotWidth = 620;
const right = 80;
/** Longer bars are cut; their figure stands beside them. */
const ratioMax = 3;

interface Group {
  readonly row: SummaryRow;
  readonly bars: readonly { readonly colour: string; readonly ratio: Spread }[];
  readonly y: number;
}

type Scale = (ratio: number) => number;

export function chart(title: string, summary: readonly SummaryRow[]): string {
  const groups = layOut(summary);
  const ratios = groups.flatMap((group) => group.bars.map(({ ratio }) => ratio.most));
  const goals = groups.map(({ row }) => row.goal?.must ?? 0);
  const most = Math.ceil(Math.min(ratioMax, Math.max(1.5, ...ratios, ...goals)) * 4) / 4;
  const x: Scale = (ratio) => left + (Math.max(0, Math.min(ratio, most)) / most) * plotWidth;
  const end = groups.reduce((y, group) => y + heightOf(group) + groupGap, top);
  const halves = Array.from({ length: Math.floor(most * 2) + 1 }, (_, i) => i / 2);
  const parts = [
    draw('title', {}, title),
    draw('rect', { width: '100%', height: '100%', fill: '#fff' }),
    text(16, 24, title, { 'font-size': 14, 'font-weight': 600 }),
    ...legend(),
    ...halves.flatMap((ratio) => gridLine(ratio, x(ratio), end)),
    ...groups.flatMap((group) => drawBars(group, x)),
    // Above the bars, so that each shows on which side it ends.
    line(x(1), top, `V${round(end)}`, { stroke: ink, 'stroke-width': 1.5 }),
    ...groups.flatMap((group) => drawLabels(group, x))
  ];
  const size = { width: left + plotWidth + right, height: round(end + bottom) };
  const font = { 'font-family': 'system-ui, sans-serif', 'font-size': 11, fill: ink };
  const svg = { xmlns: 'http://www.w3.org/2000/svg', ...size, ...font };
  return `<svg${attributes(svg)}>\n${parts.join('\n')}\n</svg>\n`;
}

/** Scenarios without HAProxy have no ratio to show. */
function layOut(summary: readonly SummaryRow[]): Group[] {
  let y = top + groupGap / 2;
  return summary.flatMap((row) => {
    const shown = bars.flatMap(({ proxy, colour }) => {
      const ratio = row.toHaproxy[proxy];
      return ratio === undefined || !Number.isFinite(ratio.median) ? [] : [{ colour, ratio }];
    });
    if (shown.length === 0) return [];
    const group = { row, bars: shown, y };
    y += heightOf(group) + groupGap;
    return [group];
  });
}

function heightOf(group: Group): number {
  return group.bars.length * barHeight;
}

function drawBars({ row, bars, y }: Group, x: Scale): string[] {
  const drawn = bars.flatMap(({ colour, ratio }, i) => {
    const at = y + i * barHeight;
    const [middle, width] = [at + barHeight / 2 - 0.5, x(ratio.median) - left];
    return [
      draw('rect', { x: left, y: at, width: round(width), height: barHeight - 1, fill: colour }),
      line(x(ratio.least), middle, `H${round(x(ratio.most))}`, { stroke: ink, opacity: 0.6 })
    ];
  });
  // The goals are Ballast's, whose bar is the first.
  const mark = (ratio: number, stroke: string): string =>
    line(x(ratio), y - 4, `v${barHeight + 5}`, { stroke, 'stroke-width': 3 });
  const { goal } = row;
  if (goal === undefined) return drawn;
  return [...drawn, mark(goal.aim, aimColour), mark(goal.must, mustColour)];
}

function drawLabels(group: Group, x: Scale): string[] {
  const middle = group.y + heightOf(group) / 2;
  const name = text(left - 10, middle + 3.5, group.row.scenario, { 'text-anchor': 'end' });
  const figures = group.bars.map(({ ratio }, i) => {
    const y = group.y + i * barHeight + barHeight / 2 + 2.5;
    return text(x(ratio.most) + 5, y, ratio.median.toFixed(2), { 'font-size': 9 });
  });
  return [name, ...figures];
}

function gridLine(ratio: number, x: number, end: number): string[] {
  const label = ratio === 1 ? 'HAProxy' : ratio.toFixed(1);
  return [
    line(x, top, `V${round(end)}`, { stroke: gridColour }),
    text(x, end + 16, label, { 'text-anchor': 'middle' })
  ];
}

function legend(): string[] {
  const marks = [
    ...bars.map(({ proxy, colour }) => ({ name: proxy, colour, width: 12 })),
    { name: 'aim', colour: aimColour, width: 3 },
    { name: 'must', colour: mustColour, width: 3 }
  ];
  let x = left;
  const drawn = marks.flatMap(({ name, colour, width }) => {
    const sample = draw('rect', { x, y: 42, width, height: 10, fill: colour });
    const label = text(x + width + 6, 51, name);
    x += width + 70;
    return [sample, label];
  });
  return [...drawn, text(x, 51, 'thin line: least to most of all rounds')];
}

/** Text keeps a white rim, so that lines do not run through it. */
function text(x: number, y: number, content: string, more: Attributes = {}): string {
  const rim = { stroke: '#fff', 'stroke-width': 3, 'paint-order': 'stroke' };
  return draw('text', { x: round(x), y: round(y), ...rim, ...more }, content);
}

function line(x: number, y: number, to: string, style: Attributes): string {
  return draw('path', { d: `M${round(x)} ${round(y)}${to}`, ...style });
}

type Attributes = Readonly<Record<string, string | number>>;

function draw(name: string, given: Attributes, content?: string): string {
  const start = `<${name}${attributes(given)}`;
  return content === undefined ? `${start}/>` : `${start}>${escaped(content)}</${name}>`;
}

function attributes(given: Attributes): string {
  return Object.entries(given)
    .map(([name, value]) => ` ${name}="${escaped(String(value))}"`)
    .join('');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(text: string): string {
  const names: Readonly<Record<string, string>> = { '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot' };
  return text.replaceAll(/[&<>"]/g, (sign) => `&${names[sign]};`);
}
