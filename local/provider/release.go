package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/kube"
	"helm.sh/helm/v3/pkg/lint/support"
	"helm.sh/helm/v3/pkg/postrender"
	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// release is the shape of a helm.sh/v3:Release, inputs and outputs in one. The
// state holds every field, as the real provider writes it.
type release struct {
	AllowNullValues          bool                `json:"allowNullValues,omitempty"`
	Atomic                   bool                `json:"atomic,omitempty"`
	Chart                    string              `json:"chart,omitempty"`
	CleanupOnFail            bool                `json:"cleanupOnFail,omitempty"`
	CreateNamespace          bool                `json:"createNamespace,omitempty"`
	DependencyUpdate         bool                `json:"dependencyUpdate,omitempty"`
	Description              string              `json:"description,omitempty"`
	Devel                    bool                `json:"devel,omitempty"`
	DisableCRDHooks          bool                `json:"disableCRDHooks,omitempty"`
	DisableOpenapiValidation bool                `json:"disableOpenapiValidation,omitempty"`
	DisableWebhooks          bool                `json:"disableWebhooks,omitempty"`
	ForceUpdate              bool                `json:"forceUpdate,omitempty"`
	Keyring                  string              `json:"keyring,omitempty"`
	Lint                     bool                `json:"lint,omitempty"`
	MaxHistory               *int                `json:"maxHistory,omitempty"`
	Name                     string              `json:"name,omitempty"`
	Namespace                string              `json:"namespace,omitempty"`
	Postrender               string              `json:"postrender,omitempty"`
	RecreatePods             bool                `json:"recreatePods,omitempty"`
	RenderSubchartNotes      bool                `json:"renderSubchartNotes,omitempty"`
	Replace                  bool                `json:"replace,omitempty"`
	RepositoryOpts           *repositoryOpts     `json:"repositoryOpts,omitempty"`
	ResetValues              bool                `json:"resetValues,omitempty"`
	ReuseValues              bool                `json:"reuseValues,omitempty"`
	Values                   map[string]any      `json:"values,omitempty"`
	SkipCrds                 bool                `json:"skipCrds,omitempty"`
	Timeout                  int                 `json:"timeout,omitempty"`
	Verify                   bool                `json:"verify,omitempty"`
	Version                  string              `json:"version,omitempty"`
	SkipAwait                bool                `json:"skipAwait,omitempty"`
	WaitForJobs              bool                `json:"waitForJobs,omitempty"`
	ResourceNames            map[string][]string `json:"resourceNames,omitempty"`
	Status                   *releaseStatus      `json:"status,omitempty"`
}

type repositoryOpts struct {
	Repo     string `json:"repo,omitempty"`
	CAFile   string `json:"caFile,omitempty"`
	CertFile string `json:"certFile,omitempty"`
	KeyFile  string `json:"keyFile,omitempty"`
	Password string `json:"password,omitempty"`
	Username string `json:"username,omitempty"`
}

type releaseStatus struct {
	AppVersion string `json:"appVersion,omitempty"`
	Chart      string `json:"chart,omitempty"`
	Name       string `json:"name,omitempty"`
	Namespace  string `json:"namespace,omitempty"`
	Revision   *int   `json:"revision,omitempty"`
	Status     string `json:"status,omitempty"`
	Version    string `json:"version,omitempty"`
}

// defaultTimeout is Helm's, in seconds.
const defaultTimeout = 300

// decodeRelease reads properties, unknown ones as if not given. Values go over
// those of valueYamlFiles, a later file over an earlier one.
func decodeRelease(m resource.PropertyMap) (*release, error) {
	plain := known(m)
	base := map[string]any{}
	if files, ok := plain["valueYamlFiles"].([]any); ok {
		for _, file := range files {
			asset, ok := file.(*resource.Asset)
			if !ok {
				return nil, fmt.Errorf("unsupported type for 'valueYamlFiles' arg: %T", file)
			}
			text, err := asset.Bytes()
			if err != nil {
				return nil, err
			}
			values := map[string]any{}
			if err := yaml.Unmarshal(text, &values); err != nil {
				return nil, err
			}
			base = mergeValues(base, values)
		}
	}
	delete(plain, "valueYamlFiles")
	delete(plain, inputsKey)

	text, err := json.Marshal(plain)
	if err != nil {
		return nil, fmt.Errorf("decoding failure: %w", err)
	}
	r := &release{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("decoding failure: %w", err)
	}
	r.Values = mergeValues(base, r.Values)
	return r, nil
}

// mergeValues lays over's values on base's, map by map.
func mergeValues(base, over map[string]any) map[string]any {
	merged := make(map[string]any, len(base))
	for key, value := range base {
		merged[key] = value
	}
	for key, value := range over {
		below, ok := merged[key].(map[string]any)
		if above, alsoOK := value.(map[string]any); ok && alsoOK {
			value = mergeValues(below, above)
		}
		merged[key] = value
	}
	return merged
}

// checkRelease completes the inputs and makes sure that the chart is there. It
// turns a version range, or none, into the version it means now, so that a new
// one in the repository shows up as a change.
func (p *provider) checkRelease(
	urn resource.URN, olds, news resource.PropertyMap,
) (resource.PropertyMap, []*pulumirpc.CheckFailure, error) {
	given := func(key resource.PropertyKey) bool {
		v, ok := news[key]
		return ok && !v.IsNull() && !(v.IsString() && v.StringValue() == "")
	}
	if !given("name") {
		name := stringOf(olds, "name")
		if name == "" {
			var err error
			if name, err = resource.NewUniqueHex(urn.Name()+"-", 0, 0); err != nil {
				return nil, nil, err
			}
		}
		news["name"] = resource.NewStringProperty(name)
	}
	if !given("namespace") {
		news["namespace"] = resource.NewStringProperty(p.settings.namespace)
	}
	if await := news["skipAwait"]; !given("timeout") && !(await.IsBool() && await.BoolValue()) {
		news["timeout"] = resource.NewNumberProperty(defaultTimeout)
	}

	r, err := decodeRelease(news)
	if err != nil {
		return nil, nil, err
	}
	var failures []*pulumirpc.CheckFailure
	if !news.ContainsUnknowns() {
		if chart, err := p.charts.get(chartRefOf(r)); err != nil {
			failures = append(failures, &pulumirpc.CheckFailure{
				Property: "chart",
				Reason:   oneLine(err) + "; check the chart name and repository configuration.",
			})
		} else {
			r.Version = chart.Metadata.Version
		}
	}
	inputs := resource.NewPropertyMap(r)
	delete(inputs, "resourceNames")
	keepUnknowns(inputs, news)
	keepSecrets(inputs, news)
	return inputs, failures, nil
}

// diffRelease compares with the old state, which holds what Helm was last seen
// to have, and takes deletions from the old inputs.
func diffRelease(olds, news resource.PropertyMap, ignored []string) map[string]*pulumirpc.PropertyDiff {
	oldInputs := releaseInputs(olds)
	if slices.Contains(ignored, "version") {
		news["version"] = olds["version"]
	}
	old := plain(oldInputs)
	delete(old, "checksum") // of earlier releases of the real provider
	delete(old, "resourceNames")
	return diff(plain(olds), old, plain(news), []string{".name", ".namespace"})
}

func releaseInputs(state resource.PropertyMap) resource.PropertyMap {
	v := state[inputsKey]
	for v.IsSecret() {
		v = v.SecretValue().Element
	}
	if v.IsObject() {
		return v.ObjectValue()
	}
	return nil
}

// releaseState is what the engine keeps. The inputs are secret as a whole,
// since values often hold one.
func releaseState(inputs resource.PropertyMap, r *release, preview bool) resource.PropertyMap {
	state := resource.NewPropertyMap(r)
	state[inputsKey] = resource.MakeSecret(resource.NewObjectProperty(inputs))
	keepUnknowns(state, inputs)
	keepSecrets(state, inputs)
	if preview {
		state["resourceNames"], state["status"] = unknown, unknown
	}
	return state
}

// unavailableError is a release that Helm recorded but could not bring up.
type unavailableError struct {
	release *release
	err     error
}

func (e *unavailableError) Error() string {
	return fmt.Sprintf("failed to become available within allocated timeout. Error: Helm Release %s/%s: %v",
		e.release.Namespace, e.release.Name, e.err)
}

func (p *provider) createRelease(op operation, news resource.PropertyMap) (string, resource.PropertyMap, error) {
	r, err := decodeRelease(news)
	if err != nil {
		return "", nil, err
	}
	id := joinID(r.Namespace, r.Name)
	if !op.preview {
		err = p.install(op, r)
		var unavailable *unavailableError
		if errors.As(err, &unavailable) {
			err = fmt.Errorf("Helm release %q was created, but failed to initialize completely. "+
				"Use Helm CLI to investigate: %w", id, err)
		} else if err != nil {
			return "", nil, err
		}
	}
	return id, releaseState(news, r, op.preview), err
}

func (p *provider) install(op operation, r *release) error {
	chart, err := p.charts.copy(chartRefOf(r))
	if err != nil {
		return err
	}
	if t := chart.Metadata.Type; t != "" && t != "application" {
		return fmt.Errorf("%s charts are not installable", t)
	}
	conf, err := p.helm(op.urn, r.Namespace)
	if err != nil {
		return err
	}
	if len(chart.CRDObjects()) == 0 {
		// Helm would look at the cluster anew for each release. With
		// definitions of its own a chart does need that.
		if conf.Capabilities, err = p.cluster.helmCapabilities(); err != nil {
			return err
		}
	}

	install := action.NewInstall(conf)
	install.ReleaseName, install.Namespace = r.Name, r.Namespace
	install.CreateNamespace = r.CreateNamespace
	install.Wait = !r.SkipAwait
	install.WaitForJobs = !r.SkipAwait && r.WaitForJobs
	install.Timeout = r.timeout()
	install.Atomic = r.Atomic
	install.Replace = r.Replace
	install.SkipCRDs = r.SkipCrds
	install.Devel = r.Devel
	install.DependencyUpdate = r.DependencyUpdate
	install.Description = r.Description
	install.DisableHooks = r.DisableWebhooks
	install.DisableOpenAPIValidation = r.DisableOpenapiValidation
	install.SubNotes = r.RenderSubchartNotes
	if install.PostRenderer, err = r.postRenderer(); err != nil {
		return err
	}

	installed, err := install.RunWithContext(p.ctx, chart, mergeValues(nil, r.Values))
	if err != nil {
		if installed == nil {
			return err
		}
		if _, lookupErr := action.NewGet(conf).Run(r.Name); lookupErr != nil {
			return err // refused before Helm recorded it, or rolled back
		}
		if err := r.take(installed); err != nil {
			return err
		}
		p.engine.warn(op.urn, fmt.Sprintf("Helm release %q was created but has a failed status. "+
			"Use the `helm` command to investigate the error, correct it, then retry. Reason: %v", r.Name, err))
		return &unavailableError{r, err}
	}
	return r.take(installed)
}

func (p *provider) updateRelease(op operation, olds, news resource.PropertyMap) (resource.PropertyMap, error) {
	r, err := decodeRelease(news)
	if err != nil {
		return nil, err
	}
	if !op.preview {
		err = p.upgrade(op, r)
		var unavailable *unavailableError
		if errors.As(err, &unavailable) {
			err = fmt.Errorf("Helm release %q failed to initialize completely. Use Helm CLI to investigate: %w",
				joinID(r.Namespace, r.Name), err)
		} else if err != nil {
			return nil, err
		}
	}
	return releaseState(news, r, op.preview), err
}

func (p *provider) upgrade(op operation, r *release) error {
	chart, err := p.charts.copy(chartRefOf(r))
	if err != nil {
		return err
	}
	conf, err := p.helm(op.urn, r.Namespace)
	if err != nil {
		return err
	}
	if conf.Capabilities, err = p.cluster.helmCapabilities(); err != nil {
		return err
	}
	values := mergeValues(nil, r.Values)
	if r.Lint {
		if err := lint(r, values); err != nil {
			return err
		}
	}

	upgrade := action.NewUpgrade(conf)
	upgrade.Namespace = r.Namespace
	upgrade.Wait = !r.SkipAwait
	upgrade.WaitForJobs = !r.SkipAwait && r.WaitForJobs
	upgrade.Timeout = r.timeout()
	upgrade.Atomic = r.Atomic
	upgrade.CleanupOnFail = r.CleanupOnFail
	upgrade.Devel = r.Devel
	upgrade.Description = r.Description
	upgrade.DisableHooks = r.DisableCRDHooks // sic: the real provider means this one
	upgrade.Force = r.ForceUpdate
	upgrade.Recreate = r.RecreatePods
	upgrade.ResetValues = r.ResetValues
	upgrade.ReuseValues = r.ReuseValues
	upgrade.SubNotes = r.RenderSubchartNotes
	if r.MaxHistory != nil {
		upgrade.MaxHistory = *r.MaxHistory
	}
	if upgrade.PostRenderer, err = r.postRenderer(); err != nil {
		return err
	}

	upgraded, err := upgrade.RunWithContext(p.ctx, r.Name, chart, values)
	if err != nil {
		if upgraded == nil || errors.Is(err, driver.ErrNoDeployedReleases) {
			return err
		}
		if err := r.take(upgraded); err != nil {
			return err
		}
		return fmt.Errorf("error running update: %w", &unavailableError{r, err})
	}
	return r.take(upgraded)
}

// lint checks a local chart; the archive of another is not kept.
func lint(r *release, values map[string]any) error {
	path, ok := localChart(r.Chart)
	if !ok {
		return nil
	}
	var problems []string
	for _, message := range action.NewLint().Run([]string{path}, values).Messages {
		if message.Severity >= support.ErrorSev {
			problems = append(problems, fmt.Sprintf("%s: %v", message.Path, message.Err))
		}
	}
	if problems != nil {
		return fmt.Errorf("malformed chart or values: \n\t%s", strings.Join(problems, "\n\t"))
	}
	return nil
}

// readRelease looks at Helm's record only, not at the objects it made.
func (p *provider) readRelease(
	urn resource.URN, id string, state, _ resource.PropertyMap,
) (resource.PropertyMap, resource.PropertyMap, error) {
	inputs := releaseInputs(state)
	if inputs == nil {
		return nil, nil, errors.New("the offline provider does not import Helm releases")
	}
	r, err := decodeRelease(state)
	if err != nil {
		return nil, nil, err
	}
	conf, err := p.helm(urn, r.Namespace)
	if err != nil {
		return nil, nil, err
	}
	found, err := action.NewGet(conf).Run(r.Name)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return nil, nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	if err := r.take(found); err != nil {
		return nil, nil, err
	}
	return releaseState(inputs, r, false), inputs, nil
}

func (p *provider) deleteRelease(op operation, state resource.PropertyMap) error {
	r, err := decodeRelease(state)
	if err != nil {
		return err
	}
	conf, err := p.helm(op.urn, r.Namespace)
	if err != nil {
		return err
	}
	uninstall := action.NewUninstall(conf)
	if r.Atomic || !r.SkipAwait {
		uninstall.Wait = true
		uninstall.Timeout = r.timeout()
	}
	done, err := uninstall.Run(r.Name)
	if err == nil && done.Info != "" {
		p.engine.warn(op.urn, fmt.Sprintf("Helm uninstall returned information: %q", done.Info))
	}
	return err
}

// take fills the outputs from Helm's record.
func (r *release) take(found *helmrelease.Release) error {
	names, err := resourceNames(found.Manifest)
	if err != nil {
		return err
	}
	metadata := found.Chart.Metadata
	r.Values = mergeValues(r.Values, found.Config)
	r.Version = metadata.Version
	r.ResourceNames = names
	r.Status = &releaseStatus{
		AppVersion: metadata.AppVersion, Chart: metadata.Name, Version: metadata.Version,
		Name: found.Name, Namespace: found.Namespace, Revision: &found.Version, Status: found.Info.Status.String(),
	}
	return nil
}

// resourceNames groups the objects of a manifest by Kind.group/apiVersion.
func resourceNames(manifest string) (map[string][]string, error) {
	names := map[string][]string{}
	for _, text := range releaseutil.SplitManifests(manifest) {
		obj := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &obj.Object); err != nil {
			return nil, err
		}
		if obj.GetKind() == "" {
			continue // comments only
		}
		key := obj.GroupVersionKind().GroupKind().String() + "/" + obj.GetAPIVersion()
		names[key] = append(names[key], objectID(obj))
	}
	for key := range names {
		slices.Sort(names[key])
		names[key] = slices.Compact(names[key])
	}
	return names, nil
}

func (r *release) timeout() time.Duration {
	if r.Timeout == 0 {
		return defaultTimeout * time.Second
	}
	return time.Duration(r.Timeout) * time.Second
}

func (r *release) postRenderer() (postrender.PostRenderer, error) {
	if r.Postrender == "" {
		return nil, nil
	}
	return postrender.NewExec(r.Postrender)
}

// helm prepares Helm for one operation in one namespace, on the connection
// that all share.
func (p *provider) helm(urn resource.URN, namespace string) (*action.Configuration, error) {
	status := p.engine.statusOnce(urn)
	log := helmLog(status)
	conf := &action.Configuration{
		RESTClientGetter: &clientGetter{cluster: p.cluster, namespace: namespace},
		KubeClient: &promptClient{
			Client: &kube.Client{Factory: p.cluster.factory(namespace), Log: log, Namespace: namespace},
			ctx:    p.ctx, status: status,
		},
		Log:            log,
		HookOutputFunc: func(_, _, _ string) io.Writer { return io.Discard },
	}
	switch p.settings.helmDriver {
	case "secret", "secrets":
		conf.Releases = storage.Init(driver.NewSecrets(p.cluster.core.CoreV1().Secrets(namespace)))
	case "configmap", "configmaps":
		conf.Releases = storage.Init(driver.NewConfigMaps(p.cluster.core.CoreV1().ConfigMaps(namespace)))
	default:
		return nil, fmt.Errorf("the offline provider has no Helm driver %q", p.settings.helmDriver)
	}
	return conf, nil
}

// helmLog turns what Helm logs while it waits, "Deployment is not ready: …",
// into progress for the user.
func helmLog(status func(string)) action.DebugLog {
	return func(format string, args ...any) {
		if m := notReady.FindStringSubmatch(fmt.Sprintf(format, args...)); m != nil {
			status("waiting for " + m[1] + " " + m[2])
		}
	}
}

var notReady = regexp.MustCompile(`^(\S+) is not ready: (.*)$`)

// oneLine is an error as a check failure shows it.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
