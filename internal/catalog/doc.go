// Package catalog knows the models that could be pulled: what each is made of,
// where its files lie, under which licence, and about what it takes to run it. The
// list is a file in the program, models.yaml, which the user's own file extends.
//
// The package fetches nothing and knows no model that has been pulled: packages
// hub and shelf do.
package catalog
