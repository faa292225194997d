// Package shelf keeps pulled models on disk and finds them by name.
//
// The folder of models has these in it:
//
//	NAME/                   a model: links in the layout of diffusers, and kinora.json
//	.pull-NAME/             the same of a model that is not whole yet
//	.blobs/DIGEST           the bytes of a file, by their SHA-256 in hex
//	.blobs/DIGEST.part      those of a file that is not whole yet
//	.blobs/DIGEST.pieces    which pieces of it are there, see Part
//	.locks/                 what is in use
//	licences.json           the licences that were accepted
//
// Models share blobs: equal files are kept once. A model gets its name when all of
// its files are whole and checked, so what has a name can be opened.
//
// The package never goes to the network, and looks into no file of weights.
package shelf
