package auth

import (
	"cmp"
	"context"
	"slices"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// ownName is the name of the key that stands for the person at this machine.
const ownName = "studio on this machine"

// OwnKey returns the key that stands for the person at this machine, with every
// scope, in the default project or else the oldest. It makes the key when there is
// none; the key itself is never shown, so it is good for sessions alone.
func OwnKey(ctx context.Context, db *store.DB) (Principal, error) {
	projects, err := db.Projects(ctx)
	if err != nil {
		return Principal{}, err
	}
	projects = slices.DeleteFunc(projects, func(p store.Project) bool { return !p.DisabledAt.IsZero() })
	if len(projects) == 0 {
		return Principal{}, job.Errorf(job.NotFound, "", "the server has no project that is enabled: make one with kinora projects create")
	}
	slices.SortFunc(projects, func(a, b store.Project) int {
		if (a.Name == DefaultProject) != (b.Name == DefaultProject) {
			if a.Name == DefaultProject {
				return -1
			}
			return 1
		}
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	project := projects[0]
	keys, err := db.Keys(ctx, project.ID)
	if err != nil {
		return Principal{}, err
	}
	for _, k := range keys {
		if k.Name == ownName && !k.Ended(db.Now()) && len(k.Scopes) == len(Scopes()) {
			return Principal{Project: project, Key: k}, nil
		}
	}
	_, k, err := Issue(ctx, db, store.Key{Project: project.ID, Name: ownName, Scopes: Scopes()})
	return Principal{Project: project, Key: k}, err
}
