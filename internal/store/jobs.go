package store

type orderCache struct{}
