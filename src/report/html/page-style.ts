/** The look of a page: light and dark, from a phone's width on, and on paper. */
export const pageStyle = `
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1a1d23;--soft:#565d6b;--rule:#dfe3ea;--accent:#1f5fbf;
--s1:#2f6fd0;--s2:#c2500c;--s3:#0f7b66;--o1:#2c8a4b;--o2:#8a8f9c;--o3:#d9a514;--o4:#c2500c;--o5:#a3327c;--good:#1c7a3e;--bad:#b23c17;--on:#fff;--on3:#1a1d23}
@media (prefers-color-scheme:dark){:root{--page:#14161b;--card:#1d2027;--ink:#eceef2;--soft:#a4abb9;--rule:#343945;--accent:#8ab8ff;
--s1:#6fa8ff;--s2:#ff9a5c;--s3:#4fcfb2;--o1:#5cc47e;--o2:#7d8494;--o3:#f0c64a;--o4:#ff9a5c;--o5:#e07fc0;--good:#6fd394;--bad:#ff9a7a;--on:#14161b;--on3:#14161b}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
main,header,footer{max-width:1180px;margin:0 auto;padding:0 20px}
header{padding-top:32px}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:44px 0 4px}
p{margin:4px 0 12px;max-width:75ch}
a{color:var(--accent)}
.note,footer,.origin{color:var(--soft);font-size:.875rem}
.origin{overflow-wrap:anywhere}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,230px),1fr));gap:14px;margin:22px 0 8px;padding:0;list-style:none}
.tiles li{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:14px 16px}
.tiles .what{color:var(--soft);font-size:.875rem;margin:0}
.tiles .figure{font-size:2rem;line-height:1.2;font-weight:650;font-variant-numeric:tabular-nums;margin:0}
.tiles .more{font-size:.875rem;margin:2px 0 0}
.grid-of{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,340px),1fr));gap:16px;align-items:start;margin:12px 0}
figure{margin:0;background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:14px 16px;min-width:0}
figure.chart>svg{display:block;width:100%;max-width:860px;height:auto;overflow:visible}
.grid-of figure.chart>svg{max-width:520px}
figcaption{font-weight:600;margin-bottom:6px}
.legend,.key{display:flex;flex-wrap:wrap;gap:2px 16px;list-style:none;padding:0;margin:0 0 10px;font-size:.8125rem;color:var(--soft)}
.legend svg{width:14px;height:10px;margin-right:6px}
.key svg{width:26px;height:14px;margin-right:6px;vertical-align:-2px}
svg text{font-family:inherit;fill:var(--ink)}
.tick,.axis{font-size:11px;fill:var(--soft)}
.label,.value{font-size:12px}
.value{font-variant-numeric:tabular-nums}
.tick.wide,.axis.wide{font-size:12px}.label.wide{font-size:14px}
.inside{font-size:13px;fill:var(--on);font-weight:600}
.grid{stroke:var(--rule);stroke-width:1}
.base{stroke:var(--soft);stroke-width:1}
.diagonal{stroke:var(--soft);stroke-dasharray:2 4}
.whisker{stroke:var(--ink);stroke-width:1.5;fill:none}
.line{fill:none;stroke-width:2.25;stroke-linejoin:round;stroke-linecap:round}
.line-1{stroke:var(--s1)}.line-2{stroke:var(--s2);stroke-dasharray:7 5}.line-3{stroke:var(--s3);stroke-dasharray:2 5}
.fill-1{fill:var(--s1)}.fill-2{fill:var(--s2)}.fill-3{fill:var(--s3)}.fill-ink{fill:var(--ink)}
.part-1{fill:var(--o1)}.part-2{fill:var(--o2)}.part-3{fill:var(--o3)}.part-4{fill:var(--o4)}.part-5{fill:var(--o5)}
details{margin-top:8px}
summary{cursor:pointer;color:var(--accent);font-size:.875rem}
details.split{border-top:1px solid var(--rule);margin:0;padding:12px 0}
details.split>summary{font-size:1.05rem;font-weight:600;color:var(--ink)}
.scroll{overflow-x:auto;max-height:420px;overflow-y:auto;margin-top:6px}
table{border-collapse:collapse;font-size:.8125rem;font-variant-numeric:tabular-nums;width:100%}
th,td{text-align:right;padding:4px 8px;border-bottom:1px solid var(--rule);white-space:nowrap}
th:first-child{text-align:left;white-space:normal;overflow-wrap:anywhere}
thead th{color:var(--soft);font-weight:600;position:sticky;top:0;background:var(--card);white-space:normal}
tbody th{font-weight:400}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 16px;font-size:.9rem;margin:10px 0}
dt{font-weight:600}dd{margin:0;color:var(--soft)}
form{display:flex;flex-wrap:wrap;gap:12px;margin:12px 0 4px}
form[hidden]{display:none}
label{display:flex;flex-direction:column;font-size:.8125rem;color:var(--soft);gap:3px;flex:1 1 160px;min-width:0}
select,input{font:inherit;font-size:1rem;color:var(--ink);background:var(--card);border:1px solid var(--soft);border-radius:8px;padding:8px 10px;width:100%;min-height:44px}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
#shown{color:var(--soft);font-size:.875rem;min-height:1.5em}
.store{position:absolute;width:0;height:0;overflow:hidden}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,260px),1fr));gap:16px}
.card{background:var(--card);border:1px solid var(--rule);border-radius:12px;overflow:hidden;padding-bottom:8px;content-visibility:auto;contain-intrinsic-size:auto 330px}
.card[hidden]{display:none}
.card>svg{display:block;width:100%;height:210px;background:#101217}
.card h3{font-size:1rem;line-height:1.35;margin:10px 14px 4px;overflow-wrap:anywhere}
.card p{margin:2px 14px}
.badge{font-size:.8125rem;font-weight:600}
.badge::before{content:"";display:inline-block;width:.6em;height:.6em;margin-right:.5em;background:currentColor}
.badge.good{color:var(--good)}.badge.good::before{border-radius:50%}.badge.bad{color:var(--bad)}
.facts{font-size:.8125rem;color:var(--soft);display:flex;flex-wrap:wrap;gap:0 12px}
.blank{fill:#3a3f4b}
.box,.casing{fill:none;vector-effect:non-scaling-stroke}
.casing{stroke:#000;stroke-opacity:.55;stroke-width:4.5px}
.box{stroke-width:2.5px}
.box.target{stroke:#7dff9b;stroke-dasharray:8 4}.box.first{stroke:#ffc400}.box.second{stroke:#64c8ff;stroke-dasharray:2 4}
.key .box.target{stroke:var(--good)}.key .box.first{stroke:#c99700}.key .box.second{stroke:var(--s1)}
svg .letter{font-weight:700;paint-order:stroke;stroke:#000;stroke-width:.18em;stroke-linejoin:round}
svg .letter.target{fill:#7dff9b}svg .letter.first{fill:#ffc400}svg .letter.second{fill:#64c8ff}
footer{padding-top:32px;padding-bottom:40px}
@media (max-width:520px){main,header,footer{padding-left:14px;padding-right:14px}.tick,.axis,.label,.value{font-size:12px}.tick.wide,.axis.wide,.label.wide,.inside{font-size:22px}dl{grid-template-columns:1fr}dt{margin-top:6px}}
@media print{.card,figure{break-inside:avoid}form{display:none}}
`
