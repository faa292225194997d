// Package e2e has the tests that run whole servers as separate processes: kill -9
// and full disks, clients by others, isolation of projects, and the rate at which
// jobs are accepted. It contains only tests.
package e2e
