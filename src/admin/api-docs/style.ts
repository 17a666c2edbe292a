/** Style of the documentation's page; its digest goes into the page's content security policy. */
export const style = `
:root { color-scheme: light dark; --ink: #1b2620; --quiet: #4a5a51; --paper: #f3f6f3; --card: #fff; --line: #cfdad2; --accent: #1c5d3a; --code: #eef3ef; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eee9; --quiet: #b3c0b7; --paper: #121713; --card: #1b221d; --line: #38453c; --accent: #8fd6ab; --code: #232c26; } }
* { box-sizing: border-box; }
body { margin: 0; font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
.page { display: grid; grid-template-columns: 17rem minmax(0, 1fr); max-width: 84rem; margin: 0 auto; }
nav { position: sticky; top: 0; align-self: start; max-height: 100vh; overflow: auto; padding: 1.5rem 1rem; font-size: 0.875rem; }
nav h2 { margin: 1rem 0 0.25rem; font-size: 0.875rem; }
nav ul { margin: 0; padding: 0; list-style: none; }
nav a { display: block; padding: 0.125rem 0; color: var(--quiet); text-decoration: none; }
nav a:hover { color: var(--accent); text-decoration: underline; }
main { min-width: 0; padding: 1.5rem; }
h1 { margin: 0 0 0.5rem; font-size: 1.75rem; }
main h2 { margin: 2.5rem 0 0.25rem; font-size: 1.375rem; }
details { margin: 0.75rem 0; background: var(--card); border: 1px solid var(--line); border-radius: 0.5rem; }
details:has(:target) { border-color: var(--accent); }
summary { padding: 0.75rem 1rem; cursor: pointer; }
summary code { background: none; padding: 0; overflow-wrap: anywhere; }
.method { display: inline-block; min-width: 4.25rem; font: 600 0.8125rem/1.4 ui-monospace, monospace; color: var(--accent); }
.what { display: block; color: var(--quiet); }
.body { scroll-margin-top: 6rem; padding: 0 1rem 1rem; border-top: 1px solid var(--line); }
.role { color: var(--quiet); }
h3 { margin: 1.25rem 0 0.25rem; font-size: 1rem; }
.wide { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: 0.875rem; }
th, td { padding: 0.375rem 0.5rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--quiet); font-weight: 600; }
code, pre { font-family: ui-monospace, monospace; font-size: 0.875em; background: var(--code); border-radius: 0.25rem; }
code { padding: 0.0625rem 0.25rem; }
pre { margin: 0.25rem 0; padding: 0.75rem; overflow-x: auto; }
a { color: var(--accent); }
a:focus-visible, summary:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: 1rem; padding: 0.5rem; background: var(--card); }
@media (max-width: 52rem) { .page { grid-template-columns: minmax(0, 1fr); } nav { position: static; max-height: none; padding-bottom: 0; } }
`;
