package main

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/downloader"
	"helm.sh/helm/v3/pkg/getter"
	"helm.sh/helm/v3/pkg/registry"
	"helm.sh/helm/v3/pkg/repo"
)

// charts finds charts and keeps them in memory: however many releases use
// one, its repository's index and its archive are fetched once a run. The
// user's Helm configuration and caches are neither read nor written.
type charts struct {
	registryConfig string
	indexes        onceEach[repository, *repo.IndexFile]
	loaded         onceEach[chartRef, *chart.Chart]
}

// chartRef is everything that decides which chart a release gets.
type chartRef struct {
	repository
	chart, version   string
	keyring          string
	verify           bool
	dependencyUpdate bool
}

// repository is a chart repository with the means to enter it.
type repository struct {
	url, username, password   string
	caFile, certFile, keyFile string
}

func newCharts(registryConfig string) *charts { return &charts{registryConfig: registryConfig} }

// chartRefOf reads a release's chart, version and repository. A repository
// that is no URL belongs to the chart's name, as in "stable" + "mysql".
func chartRefOf(r *release) chartRef {
	ref := chartRef{
		chart: strings.TrimSpace(r.Chart), version: strings.TrimSpace(r.Version),
		keyring: r.Keyring, verify: r.Verify, dependencyUpdate: r.DependencyUpdate,
	}
	if ref.version == "" && r.Devel {
		ref.version = ">0.0.0-0"
	}
	if o := r.RepositoryOpts; o != nil {
		ref.repository = repository{
			username: o.Username, password: o.Password, caFile: o.CAFile, certFile: o.CertFile, keyFile: o.KeyFile,
		}
		_, err := url.ParseRequestURI(o.Repo)
		switch {
		case registry.IsOCI(ref.chart) || o.Repo == "":
		case err == nil:
			ref.url = o.Repo
		case !strings.Contains(ref.chart, "/"):
			ref.chart = o.Repo + "/" + ref.chart
		}
	}
	return ref
}

// get returns the chart, which nobody may change.
func (c *charts) get(ref chartRef) (*chart.Chart, error) {
	return c.loaded.get(ref, func() (*chart.Chart, error) {
		if ref.url == "" {
			if path, ok := localChart(ref.chart); ok {
				return c.load(path, ref)
			}
			if filepath.IsAbs(ref.chart) || strings.HasPrefix(ref.chart, ".") {
				return nil, fmt.Errorf("path %q not found", ref.chart)
			}
		}
		return c.download(ref)
	})
}

// copy returns a chart of one's own: rendering drops disabled subcharts from
// it.
func (c *charts) copy(ref chartRef) (*chart.Chart, error) {
	shared, err := c.get(ref)
	if err != nil {
		return nil, err
	}
	files := make([]*loader.BufferedFile, len(shared.Raw))
	for i, f := range shared.Raw {
		files[i] = &loader.BufferedFile{Name: f.Name, Data: f.Data}
	}
	return loader.LoadFiles(files)
}

// localChart finds an archive or a chart's folder. Any other folder of that
// name is none.
func localChart(name string) (string, bool) {
	info, err := os.Stat(name)
	if err == nil && info.IsDir() {
		_, err = os.Stat(filepath.Join(name, "Chart.yaml"))
	}
	return name, err == nil
}

// load reads a chart from disk and sees to its dependencies.
func (c *charts) load(path string, ref chartRef) (*chart.Chart, error) {
	if ref.verify {
		if _, err := downloader.VerifyChart(path, ref.keyring); err != nil {
			return nil, err
		}
	}
	loaded, err := loader.Load(path)
	if err != nil || loaded.Metadata.Dependencies == nil {
		return loaded, err
	}
	err = action.CheckDependencies(loaded, loaded.Metadata.Dependencies)
	if err == nil || !ref.dependencyUpdate {
		return loaded, err
	}
	err = c.withDownloader(ref, func(d *downloader.ChartDownloader, _ string) error {
		manager := downloader.Manager{
			Out: d.Out, ChartPath: path, Keyring: ref.keyring, Getters: d.Getters, RegistryClient: d.RegistryClient,
			RepositoryConfig: d.RepositoryConfig, RepositoryCache: d.RepositoryCache,
		}
		return manager.Update()
	})
	if err != nil {
		return nil, err
	}
	return loader.Load(path)
}

// download fetches a chart by its repository, its URL or its OCI reference.
func (c *charts) download(ref chartRef) (loaded *chart.Chart, err error) {
	source := ref.chart
	if ref.url != "" {
		if source, err = c.find(ref); err != nil {
			return nil, err
		}
	} else if !strings.Contains(source, "://") {
		return nil, fmt.Errorf("chart %q not found: it is neither a local chart nor a URL, and no repository is given "+
			"(the offline provider does not read Helm's own list of repositories)", source)
	}
	err = c.withDownloader(ref, func(d *downloader.ChartDownloader, dir string) error {
		archive, _, err := d.DownloadTo(source, ref.version, dir)
		if err != nil {
			return fmt.Errorf("failed to download chart %q: %w", source, err)
		}
		loaded, err = c.load(archive, ref)
		return err
	})
	return loaded, err
}

// find looks a chart up in its repository's index.
func (c *charts) find(ref chartRef) (string, error) {
	index, err := c.indexes.get(ref.repository, func() (*repo.IndexFile, error) { return ref.repository.index() })
	if err != nil {
		return "", fmt.Errorf("looks like %q is not a valid chart repository or cannot be reached: %w", ref.url, err)
	}
	what := fmt.Sprintf("chart %q", ref.chart)
	if ref.version != "" {
		what += fmt.Sprintf(" version %q", ref.version)
	}
	entry, err := index.Get(ref.chart, ref.version)
	if err != nil {
		return "", fmt.Errorf("%s not found in %s repository", what, ref.url)
	}
	if len(entry.URLs) == 0 {
		return "", fmt.Errorf("%s has no downloadable URLs", what)
	}
	return repo.ResolveReferenceURL(ref.url, entry.URLs[0])
}

func (r repository) index() (*repo.IndexFile, error) {
	dir, err := os.MkdirTemp("", "pulumi-kubernetes-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	client, err := repo.NewChartRepository(&repo.Entry{
		Name: "repository", URL: r.url, Username: r.username, Password: r.password,
		CAFile: r.caFile, CertFile: r.certFile, KeyFile: r.keyFile,
	}, getter.Getters())
	if err != nil {
		return nil, err
	}
	client.CachePath = dir
	path, err := client.DownloadIndexFile()
	if err != nil {
		return nil, err
	}
	return repo.LoadIndexFile(path)
}

// withDownloader lends Helm's downloader, with a folder of its own that is
// removed afterwards.
func (c *charts) withDownloader(ref chartRef, use func(*downloader.ChartDownloader, string) error) error {
	dir, err := os.MkdirTemp("", "pulumi-kubernetes-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	credentials := c.registryConfig
	if credentials == "" {
		credentials = filepath.Join(dir, "registry.json")
	}
	options := []registry.ClientOption{registry.ClientOptCredentialsFile(credentials)}
	if ref.username != "" && ref.password != "" {
		options = append(options, registry.ClientOptBasicAuth(ref.username, ref.password))
	}
	client, err := registry.NewClient(options...)
	if err != nil {
		return err
	}
	d := &downloader.ChartDownloader{
		Out: io.Discard, Keyring: ref.keyring, Getters: getter.Getters(), RegistryClient: client,
		Options: []getter.Option{
			getter.WithBasicAuth(ref.username, ref.password),
			getter.WithTLSClientConfig(ref.certFile, ref.keyFile, ref.caFile),
			getter.WithRegistryClient(client),
		},
		RepositoryConfig: filepath.Join(dir, "repositories.yaml"), RepositoryCache: dir,
	}
	if ref.verify {
		d.Verify = downloader.VerifyAlways
	}
	return use(d, dir)
}

// onceEach computes a value once for each key; who asks meanwhile waits.
type onceEach[K comparable, V any] struct {
	mu    sync.Mutex
	calls map[K]func() (V, error)
}

func (o *onceEach[K, V]) get(key K, compute func() (V, error)) (V, error) {
	o.mu.Lock()
	call := o.calls[key]
	if call == nil {
		if o.calls == nil {
			o.calls = map[K]func() (V, error){}
		}
		call = sync.OnceValues(compute)
		o.calls[key] = call
	}
	o.mu.Unlock()
	return call()
}
