/**
 * Prometheus' text format 0.0.4, written from the families as they are kept. A gauge may have as many series as there are
 * instances, so the text of labels is made once for each object that holds them, and a scrape adds numbers to it.
 */

import type { Labels, MetricFamily, Series } from './counters.ts';

const escapedHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
const escapedValue = (text: string): string => escapedHelp(text).replaceAll('"', '\\"');

/** `a="b",c="d"`, by the object: who observes the same labels again and again keeps them. */
const labelTexts = new WeakMap<Labels, string>();

function labelText(labels: Labels): string {
  let text = labelTexts.get(labels);
  if (text === undefined) {
    text = Object.entries(labels)
      .map(([name, value]) => `${name}="${escapedValue(value)}"`)
      .join(',');
    labelTexts.set(labels, text);
  }
  return text;
}

const numberText = (value: number): string => {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return `${value}`;
};

const line = (name: string, labels: string, value: number): string =>
  labels === '' ? `${name} ${numberText(value)}\n` : `${name}{${labels}} ${numberText(value)}\n`;

function histogramText(
  name: string,
  bounds: readonly number[],
  { counts, labels, ...series }: Series,
): string {
  const text = labelText(labels);
  const before = text === '' ? '' : `${text},`;
  let below = 0;
  const buckets = counts.map((count, at) => {
    below += count;
    return line(
      `${name}_bucket`,
      `${before}le="${numberText(bounds[at] ?? Number.POSITIVE_INFINITY)}"`,
      below,
    );
  });
  return line(`${name}_count`, text, series.count) + line(`${name}_sum`, text, series.sum) + buckets.join('');
}

/** All families, one after the other. */
export function prometheusText(families: readonly MetricFamily[]): string {
  let text = '';
  for (const { bounds, description, kind, name, series } of families) {
    text += `# HELP ${name} ${escapedHelp(description)}\n# TYPE ${name} ${kind}\n`;
    for (const one of series)
      text +=
        kind === 'histogram' ? histogramText(name, bounds, one) : line(name, labelText(one.labels), one.sum);
  }
  return text;
}
