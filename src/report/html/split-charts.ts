import type {Calibration} from '../calibration.js'
import type {Slice} from '../slices.js'
import type {SplitNumbers} from '../split-numbers.js'
import {barChart} from './bar-chart.js'
import {percent, whole} from './format.js'
import type {Html} from './html.js'
import {lineChart, type Axis} from './line-chart.js'

/** Everything about one split, as charts. */
export function splitCharts(numbers: SplitNumbers): readonly Html[] {
  const {split, slices, calibration} = numbers
  const of = (id: string, title: string, what: string, bars: readonly Slice[], note?: string): Html =>
    barChart({
      id: `${split}-${id}`,
      title: `${title} (${split})`,
      description: `Accuracy on ${split} ${title.toLowerCase()}: ${bars
        .slice(0, 12)
        .map(({name, share}) => `${name} ${percent(share)}`)
        .join(', ')}.`,
      bars,
      what,
      axis: 'accuracy (% of sentences)',
      ...(note === undefined ? {} : {note}),
    })
  return [
    thresholdChart(numbers),
    ...recallChart(numbers),
    ...(calibration === null ? [] : [calibrationChart(split, calibration)]),
    of('category', 'By category of the target', 'category', slices.category),
    of('rivals', 'By rivals: other objects of its category', 'rivals', slices.rivals),
    of('length', 'By length of the phrase', 'length', slices.phraseLength),
    of(
      'size',
      'By size of the target',
      'share of the image’s area',
      slices.boxSize,
      'Share of the image’s area.',
    ),
    of(
      'words',
      'By kinds of words',
      'words',
      slices.words,
      'A sentence counts for each kind of which it has a word.',
    ),
  ]
}

const shareAxis = (label: string): Axis => ({
  label,
  min: 0,
  max: 1,
  ticks: [0, 0.25, 0.5, 0.75, 1],
  format: (share) => String(100 * share),
})

const unitAxis = (label: string): Axis => ({
  label,
  min: 0,
  max: 1,
  ticks: [0, 0.25, 0.5, 0.75, 1],
  format: (value) => String(value),
})

function thresholdChart({split, thresholds, accuracy, ceiling}: SplitNumbers): Html {
  return lineChart({
    id: `${split}-thresholds`,
    title: `By the IoU that counts as right (${split})`,
    description: `Share of the sentences whose box has more than an IoU, for IoU from 0.05 to 0.95. At 0.5 the chosen box reaches ${percent(accuracy.share)}, the best proposal ${percent(ceiling.share)}.`,
    x: unitAxis('IoU threshold'),
    y: shareAxis('% of sentences above'),
    series: [
      {name: 'chosen box', className: 'line-1', points: thresholds.map(({iou, chosen}) => [iou, chosen])},
      {
        name: 'best proposal (ceiling)',
        className: 'line-2',
        points: thresholds.map(({iou, best}) => [iou, best]),
      },
    ],
    table: {
      heading: ['IoU above', 'chosen', 'best proposal'],
      rows: thresholds.map(({iou, chosen, best}) => [iou.toFixed(2), percent(chosen, 2), percent(best, 2)]),
    },
    note: 'Between the lines lies what the choice costs, above both what the detector costs.',
  })
}

function recallChart({split, recall, ceiling}: SplitNumbers): readonly Html[] {
  if (recall === null) return []
  return [
    barChart({
      id: `${split}-recall`,
      title: `A right box among the first k (${split})`,
      description: `Recall on ${split}: ${recall.map(({k, share}) => `at ${k} ${percent(share)}`).join(', ')}; ceiling ${percent(ceiling.share)}.`,
      bars: [
        ...recall.map(({k, ...estimate}) => ({name: k === 1 ? 'recall@1' : `recall@${k}`, ...estimate})),
        {name: 'all: ceiling', ...ceiling},
      ],
      what: 'regions looked at',
      axis: 'recall (% of sentences)',
    }),
  ]
}

function calibrationChart(split: string, {bins, expectedError}: Calibration): Html {
  return lineChart({
    id: `${split}-calibration`,
    title: `Is the score the IoU? (${split})`,
    description: `Mean IoU of the chosen boxes by their mean score, in ten bins of the score. The expected error is ${expectedError.toFixed(3)}.`,
    x: unitAxis('score: the IoU that the model expects'),
    y: unitAxis('mean IoU, or accuracy'),
    diagonal: true,
    series: [
      {
        name: 'mean IoU',
        className: 'line-1',
        dots: true,
        points: bins.map((bin) => [bin.meanScore, bin.meanOverlap]),
      },
      {
        name: 'accuracy',
        className: 'line-3',
        dots: true,
        points: bins.map((bin) => [bin.meanScore, bin.accuracy]),
      },
    ],
    table: {
      heading: ['score', 'sentences', 'mean score', 'mean IoU', 'accuracy'],
      rows: bins.map(({from, to, total, meanScore, meanOverlap, accuracy}) => [
        `${from.toFixed(1)}–${to.toFixed(1)}`,
        whole(total),
        meanScore.toFixed(3),
        meanOverlap.toFixed(3),
        percent(accuracy),
      ]),
    },
    note: `Expected calibration error ${expectedError.toFixed(3)}: how far score and IoU are apart in a bin, on average. On the dotted line they are the same.`,
  })
}
