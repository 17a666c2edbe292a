// Charts of a table on the page: a figure names the columns that it draws, [data-columns], of the table in its section. The
// table stays for those who read it or have no scripts.
(() => {
  const colours = ['--chart-1', '--chart-2', '--chart-3', '--chart-4'];
  const styleOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const widths = [6, 4, 2, 2];
  const height = 220;

  const numberIn = (cell) => {
    const text = cell.textContent.trim().replaceAll(',', '');
    return text === '' ? null : Number(text);
  };
  const timesOf = (rows) => rows.map((row) => Date.parse(row.querySelector('time').dateTime) / 1_000);

  const axis = (more) => ({
    stroke: () => styleOf('--quiet'),
    grid: { stroke: () => styleOf('--line'), width: 1 },
    ticks: { stroke: () => styleOf('--line'), width: 1 },
    ...more,
  });

  const draw = (figure, rows, heads) => {
    const columns = figure.dataset.columns.split(' ').map(Number);
    const times = timesOf(rows);
    const days = (times.at(-1) - times[0]) / 86_400;
    const format = new Intl.DateTimeFormat(
      document.documentElement.lang,
      days > 2 ? { weekday: 'short', day: 'numeric' } : { hour: '2-digit', minute: '2-digit', hour12: false },
    );
    const exact = new Intl.DateTimeFormat(document.documentElement.lang, {
      dateStyle: 'medium',
      timeStyle: 'short',
    });
    const series = columns.map((column, index) => ({
      label: heads[column],
      stroke: () => styleOf(colours[index]),
      // Lines that coincide, as they should, lie on each other: the lower ones are broader.
      width: widths.at(index - columns.length),
      dash: index % 2 === 1 ? [6, 3] : undefined,
      points: { show: rows.length < 40, size: 4 },
      spanGaps: false,
      // Without an index the pointer is elsewhere.
      value: (_, value, __, at) =>
        at === null ? '' : value === null ? 'none' : value.toLocaleString(document.documentElement.lang),
    }));
    figure.hidden = false;
    const chart = new uPlot(
      {
        width: figure.clientWidth,
        height,
        scales: { y: { range: (_, __, most) => [0, Math.max(1, (most ?? 0) * 1.1)] } },
        axes: [
          axis({ values: (_, at) => at.map((second) => format.format(second * 1_000)) }),
          axis({
            size: 56,
            values: (_, at) => at.map((value) => value.toLocaleString(document.documentElement.lang)),
          }),
        ],
        series: [
          { label: 'Time', value: (_, at) => (at === null ? '' : exact.format(at * 1_000)) },
          ...series,
        ],
      },
      [times, ...columns.map((column) => rows.map((row) => numberIn(row.cells[column])))],
      figure,
    );
    new ResizeObserver(() => chart.setSize({ width: figure.clientWidth, height })).observe(figure);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => chart.redraw());
  };

  for (const section of document.querySelectorAll('[data-charts]')) {
    const table = section.querySelector('table');
    if (table === null) continue;
    const rows = [...table.tBodies[0].rows];
    const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
    if (rows.length < 2) continue;
    for (const figure of section.querySelectorAll('[data-columns]')) draw(figure, rows, heads);
  }
})();
