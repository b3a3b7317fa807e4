// The tests that take minutes: `npm run test:slow`.
export default {
  files: ['dist/test/**/*.slow.test.js'],
  workerThreads: false,
  concurrency: 1,
  timeout: '30m',
}
