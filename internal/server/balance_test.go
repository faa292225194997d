package server

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/meter"
	"github.com/kinora-video/kinora/internal/store"
)

// TestNoBalanceWithoutALimit: the usage of a project that may spend without a
// limit is no debt and is not shown as one. After a deposit its balance is shown.
func TestNoBalanceWithoutALimit(t *testing.T) {
	s, keys := realServer(t, nil)
	who, err := s.auth.Check(t.Context(), keys.API)
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.meter.Hold(t.Context(), meter.Speech{Project: who.Project.ID, Key: who.Key.ID, Model: "speech-2.8-hd", API: job.MiniMaxV1, Characters: 1000})
	if err == nil {
		err = h.Settle(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	admin := "/v1/admin/projects/" + "project_" + job.ID(who.Project.ID).String()
	get := func(path, key string) (got map[string]any) {
		t.Helper()
		if _, answer := call(t, s, "GET", path, key, ""); json.Unmarshal([]byte(answer), &got) != nil {
			t.Fatalf("%s: %s", path, answer)
		}
		return got
	}
	w, err := s.db.Wallet(t.Context(), who.Project.ID)
	if err != nil || w.Balance >= 0 || w.Revenue != -w.Balance {
		t.Fatalf("nothing was used: %+v, %v", w, err)
	}
	used := store.Dollars(w.Revenue).String()
	for _, tt := range []struct{ path, key, balance, used, want string }{
		{"/v1/account", keys.API, "balance_usd", "used_usd", used},
		{admin, keys.Admin, "balance_usd", "used_usd", used},
		{"/v1/token_plan/remains", keys.API, "balance", "used", fmt.Sprintf("%d.%06d", w.Revenue/1_000_000, w.Revenue%1_000_000)},
	} {
		got := get(tt.path, tt.key)
		if b, ok := got[tt.balance]; ok || got[tt.used] != tt.want {
			t.Errorf("%s: balance %v (%v), used %v, want no balance and %s", tt.path, b, ok, got[tt.used], tt.want)
		}
	}
	if _, _, err := s.db.Deposit(t.Context(), who.Project.ID, 1_000_000, "", ""); err != nil {
		t.Fatal(err)
	}
	left := store.Dollars(w.Balance + 1_000_000).String()
	for path, key := range map[string]string{"/v1/account": keys.API, admin: keys.Admin} {
		if got := get(path, key); got["balance_usd"] != left || got["used_usd"] != used {
			t.Errorf("%s after a deposit: %v, want %s", path, got, left)
		}
	}
}
