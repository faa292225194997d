// Package e2e has the tests that run whole servers as processes of their own:
// kill -9 and full disks, programs of others as clients, projects that must not
// see each other, and how many jobs a second are accepted. It has no code but
// tests.
package e2e
