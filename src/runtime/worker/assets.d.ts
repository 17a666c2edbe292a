/** Files that wrangler bundles as text, by the import attribute `type: 'text'`. */

declare module '*.css' {
  const text: string;
  export default text;
}
declare module '*.svg' {
  const text: string;
  export default text;
}
declare module '*/console/assets/console.js' {
  const text: string;
  export default text;
}
declare module '*/console/assets/chart.js' {
  const text: string;
  export default text;
}
declare module 'htmx.org/dist/htmx.min.js' {
  const text: string;
  export default text;
}
declare module 'uplot/dist/uPlot.iife.min.js' {
  const text: string;
  export default text;
}
