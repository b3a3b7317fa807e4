import {sizeText} from '../data/download/disk-space.js'
import {printable} from '../errors.js'
import type {RunList} from '../run/list.js'
import type {RunFile} from '../run/run-file.js'
import type {RunSummary} from '../run/summary.js'
import type {RunVerification} from '../run/verify-run.js'
import {duration} from './progress.js'
import {table} from './table.js'

/** A row a run. */
export function runListText({runs, unreadable}: RunList): string {
  const rows = runs.map((run) => [
    printable(run.folder, 300),
    run.progress,
    epochsText(run),
    run.best === null ? '–' : `${percent(run.best.valAccuracy)} (epoch ${run.best.epoch})`,
    sizeText(run.sizeBytes),
    run.createdAt.slice(0, 16).replace('T', ' '),
  ])
  const lines = runs.length === 0 ? [] : [table([heading, ...rows])]
  for (const {folder, problem} of unreadable) lines.push(`${printable(folder, 300)}: ${problem}`)
  return lines.length === 0 ? 'There are no runs here.' : lines.join('\n')
}

const heading = ['run', 'state', 'epochs', 'best accuracy', 'size', 'started']

/** A run with every setting and where it came from. */
export function runText(summary: RunSummary, run: RunFile): string {
  const {best, lastValAccuracy, states, sizeBytes} = summary
  const facts = [
    ['state', summary.progress],
    ['started', run.createdAt],
    ['resumed', run.resumed.length === 0 ? 'never' : run.resumed.map(({at}) => at).join(', ')],
    ['steps', `${summary.steps}`],
    ['epochs', epochsText(summary)],
    ['best accuracy', best === null ? '–' : `${percent(best.valAccuracy)} in epoch ${best.epoch}`],
    ['last accuracy', lastValAccuracy === null ? '–' : percent(lastValAccuracy)],
    ['trained', duration(1000 * summary.trainedSeconds)],
    ['size', `${sizeText(sizeBytes)}, ${states} states`],
    ['device', run.device],
    [
      'versions',
      Object.entries(run.versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', '),
    ],
    ['command', run.command.join(' ')],
  ]
  const settings = [run.model, run.training, run.data].flatMap((section, place) =>
    Object.entries(section).map(([key, value]) => {
      const name = `${['model', 'training', 'data'][place] ?? ''}.${key}`
      return [name, JSON.stringify(value), run.origin[name] ?? '']
    }),
  )
  const shown = settings.map((row) => row.map((cell) => printable(cell, 100)))
  return [
    table(facts.map((row) => row.map((cell) => printable(cell, 300)))),
    '',
    table([['setting', 'value', 'from'], ...shown]),
  ].join('\n')
}

/** What is wrong with a run, a line each. */
export function runVerificationText({folder, ok, problems, files, states}: RunVerification): string {
  const name = printable(folder, 300)
  if (ok) return `${name}: good, ${files} files of tensors and ${states} states are whole and agree`
  return [`${name}: bad`, ...problems.map(({file, message}) => `  ${printable(file, 300)}: ${message}`)].join(
    '\n',
  )
}

function epochsText({epochs, plannedEpochs}: RunSummary): string {
  return plannedEpochs === null ? `${epochs}` : `${epochs} of ${plannedEpochs}`
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`
}
