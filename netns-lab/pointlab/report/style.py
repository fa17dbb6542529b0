"""How a report looks, by day, by night, and on paper; its colours differ for every kind of eye."""

STYLE = """
:root {
  color-scheme: light dark;
  --back: #fff; --pane: #f4f5f7; --text: #1b1f24; --dim: #5d6670; --rule: #d9dde2;
  --good: #00705a; --bad: #c02c00; --bad-back: #fdece5; --good-back: #e5f4ef;
  --late: #d1340a; --excuse: #e8a13a; --excuse-back: #fbe9c9; --broken: #4a4f57;
  --blind: #7b4b94; --serving: #9bd3c2; --starting: #dfe4ea; --unhealthy: #f0b64a;
  --draining: #cdb5e2; --on-task: #10302a; --count: #0a3d32;
  --hatch: #b9c0c8; --agree: 0, 128, 104;
  --heat0: #10405f; --heat1: #2f7aa8; --heat2: #7fb5d6; --heat3: #c3dcec;
  --s0: #0072b2; --s1: #e69f00; --s2: #009e73; --s3: #cc79a7; --s4: #56b4e9; --s5: #b8a800;
  --s6: #8b8f96;
}
@media (prefers-color-scheme: dark) { :root {
  --back: #14171b; --pane: #1d2126; --text: #e6e9ed; --dim: #9aa4af; --rule: #333a42;
  --good: #4fc7a8; --bad: #ff8057; --bad-back: #3a1d14; --good-back: #13322a;
  --late: #ff6a3c; --excuse: #d08f2e; --excuse-back: #4a3716; --broken: #8d96a1;
  --blind: #b58bd0; --serving: #2c7a66; --starting: #3a424b; --unhealthy: #a8761c;
  --draining: #6d5190; --on-task: #f0fff9; --count: #e0fff5;
  --hatch: #4b545e; --agree: 60, 180, 150;
  --heat0: #d4ecfb; --heat1: #79b9e0; --heat2: #3f7ca3; --heat3: #28485e;
} }
@media print { :root {
  color-scheme: light;
  --back: #fff; --pane: #f4f5f7; --text: #000; --dim: #444; --rule: #bbb;
  --good: #00705a; --bad: #c02c00; --bad-back: #fdece5; --good-back: #e5f4ef;
  --late: #d1340a; --excuse: #e8a13a; --excuse-back: #fbe9c9; --broken: #4a4f57;
  --blind: #7b4b94; --serving: #9bd3c2; --starting: #dfe4ea; --unhealthy: #f0b64a;
  --draining: #cdb5e2; --on-task: #10302a; --count: #0a3d32; --hatch: #b9c0c8;
  --agree: 0, 128, 104;
  --heat0: #10405f; --heat1: #2f7aa8; --heat2: #7fb5d6; --heat3: #c3dcec;
} * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  tr, dl div, h2, h3 { break-inside: avoid; } h2, h3 { break-after: avoid; }
  section.scenario { break-before: page; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 28px 24px 60px; max-width: 1240px; background: var(--back);
  color: var(--text); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; }
h2 { font-size: 22px; margin: 44px 0 2px; } h3 { font-size: 16px; margin: 28px 0 8px; }
p { margin: 4px 0; max-width: 80ch; } a { color: inherit; }
:focus-visible { outline: 2px solid var(--s0); outline-offset: 2px; }
.dim { color: var(--dim); }
.verdict { margin: 14px 0; padding: 12px 16px; border-left: 5px solid var(--good);
  background: var(--good-back); border-radius: 3px; font-size: 17px; font-weight: 600;
  max-width: none; }
.verdict.bad { border-color: var(--bad); background: var(--bad-back); }
ul.problems { margin: 8px 0; padding-left: 22px; } ul.problems li { color: var(--bad); }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(142px, 1fr)); gap: 10px;
  margin: 14px 0; }
dl div { background: var(--pane); border-radius: 4px; padding: 9px 11px; }
dt { color: var(--dim); font-size: 13px; } dd { margin: 0; font-size: 21px; font-weight: 600;
  font-variant-numeric: tabular-nums; }
dd small { font-size: 13px; font-weight: 400; color: var(--dim); display: block; }
dd.bad { color: var(--bad); } dd.good { color: var(--good); }
figure { margin: 8px 0 0; overflow-x: auto; } figure > svg { display: block; width: 100%;
  min-width: 820px; height: auto; }
figcaption { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 10px 0; font-size: 13px;
  color: var(--dim); }
figcaption span { display: inline-flex; align-items: center; gap: 6px; }
figcaption svg { width: 22px; height: 12px; }
.patterns { position: absolute; }
table { border-collapse: collapse; font-size: 14px; width: 100%; }
caption { text-align: left; color: var(--dim); padding: 4px 0; }
th { text-align: left; font-weight: 600; } th, td { padding: 4px 14px 4px 0;
  border-bottom: 1px solid var(--rule); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
.table { overflow-x: auto; } summary { cursor: pointer; font-weight: 600; margin: 28px 0 8px; }
.kind { display: inline-block; min-width: 62px; color: var(--dim); }
tr.break td, tr.note td { font-weight: 600; } tr.break .kind { color: var(--text); }
tr.late td, tr.stale td, tr.wrong td, td.bad { color: var(--bad); font-weight: 600; }
tr.late .kind, tr.stale .kind, tr.wrong .kind { color: var(--bad); }
td.good { color: var(--good); }
svg text { fill: var(--text); font: 11.5px system-ui, -apple-system, "Segoe UI", sans-serif; }
svg .strong { font-weight: 600; font-size: 12.5px; }
svg .small { font-size: 11px; fill: var(--dim); } svg .tick { font-size: 11px; fill: var(--dim); }
svg .on-bar { fill: #fff; font-weight: 600; }
@media (prefers-color-scheme: dark) { svg .on-bar { fill: #0b0d10; } }
@media print { svg .on-bar { fill: #fff; } }
svg .strong, svg .beside { paint-order: stroke; stroke: var(--back); stroke-width: 4px; }
svg .on-task { fill: var(--on-task); } svg .count { fill: var(--count); font-size: 10.5px; }
svg .grid { stroke: var(--rule); stroke-width: 1; }
svg .broke { stroke: var(--broken); stroke-width: 1; stroke-dasharray: 2 3; }
svg .pane { fill: var(--pane); }
svg .fault { fill: var(--broken); } svg .fault.blind { fill: var(--blind); }
svg .serving { fill: var(--serving); } svg .starting { fill: var(--starting); }
svg .unhealthy { fill: var(--unhealthy); } svg .draining { fill: var(--draining); }
svg .unreachable, svg .silent { fill: url(#hatch); }
svg .hatch-back { fill: var(--pane); } svg .hatch-line { fill: var(--hatch); }
svg .view.differs { fill: var(--late); } svg .view.excused { fill: url(#excused); }
svg .excused-back { fill: var(--excuse-back); } svg .excused-line { fill: var(--excuse); }
svg .level0 { fill: rgba(var(--agree), .06); } svg .level1 { fill: rgba(var(--agree), .16); }
svg .level2 { fill: rgba(var(--agree), .26); } svg .level3 { fill: rgba(var(--agree), .38); }
svg .level4 { fill: rgba(var(--agree), .5); }
svg .heat0 { fill: var(--heat0); } svg .heat1 { fill: var(--heat1); }
svg .heat2 { fill: var(--heat2); } svg .heat3 { fill: var(--heat3); }
svg .excused-requests { fill: var(--excuse); } svg .late-requests { fill: var(--late); }
svg .server0 { fill: var(--s0); } svg .server1 { fill: var(--s1); }
svg .server2 { fill: var(--s2); } svg .server3 { fill: var(--s3); }
svg .server4 { fill: var(--s4); } svg .server5 { fill: var(--s5); }
svg .server6 { fill: var(--s6); }
"""
