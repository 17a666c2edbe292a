// Render is "helm template" for the chart in deploy/helm, where no helm is to be had: the same template language with the
// same functions (Go's text/template and sprig), values merged as Helm merges them. Built with Debian's packages alone:
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run render.go CHART [VALUES]
//
// It prints one JSON object, "values" as merged and "templates", each file's text by its name. What Helm has and this chart
// does not use (subcharts, files, look-ups in a cluster) ends with an error instead of another result.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"gopkg.in/yaml.v3"
)

type object = map[string]interface{}

// readYaml reads numbers as Helm does, which goes through JSON: all of them are floating point.
func readYaml(text []byte) (object, error) {
	var raw interface{}
	if err := yaml.Unmarshal(text, &raw); err != nil {
		return nil, err
	}
	if raw == nil {
		return object{}, nil
	}
	between, err := json.Marshal(raw)
	if err != nil {
		return nil, err
	}
	var read object
	return read, json.Unmarshal(between, &read)
}

func readFile(path string) (object, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	read, err := readYaml(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return read, nil
}

// merge puts given values over the defaults: objects by their members, everything else whole, and null takes a default away.
func merge(defaults, given object) object {
	merged := object{}
	for name, value := range defaults {
		merged[name] = value
	}
	for name, value := range given {
		before, wasObject := merged[name].(object)
		now, isObject := value.(object)
		switch {
		case value == nil:
			delete(merged, name)
		case wasObject && isObject:
			merged[name] = merge(before, now)
		default:
			merged[name] = value
		}
	}
	return merged
}

func toYaml(value interface{}) (string, error) {
	// JSON is YAML, and its numbers without a fraction are whole again in it.
	between, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	var plain interface{}
	if err := yaml.Unmarshal(between, &plain); err != nil {
		return "", err
	}
	text, err := yaml.Marshal(plain)
	return strings.TrimSuffix(string(text), "\n"), err
}

func absent(name string) func(...interface{}) (string, error) {
	return func(...interface{}) (string, error) {
		return "", fmt.Errorf("%s is not rendered here", name)
	}
}

func functions(all *template.Template) template.FuncMap {
	known := sprig.TxtFuncMap()
	// Helm takes them away: a chart must not read the machine that renders it.
	delete(known, "env")
	delete(known, "expandenv")
	known["toYaml"] = toYaml
	known["include"] = func(name string, data interface{}) (string, error) {
		var text bytes.Buffer
		err := all.ExecuteTemplate(&text, name, data)
		return text.String(), err
	}
	known["required"] = func(why string, value interface{}) (interface{}, error) {
		if text, isText := value.(string); value == nil || (isText && text == "") {
			return nil, errors.New(why)
		}
		return value, nil
	}
	known["fail"] = func(why string) (string, error) { return "", errors.New(why) }
	for _, name := range []string{"lookup", "tpl", "fromYaml", "toToml", "getHostByName"} {
		known[name] = absent(name)
	}
	return known
}

func chartObject(path string) (object, error) {
	read, err := readFile(path)
	if err != nil {
		return nil, err
	}
	// Templates name its members as Helm's Go structure does.
	chart := object{}
	for name, value := range read {
		chart[strings.ToUpper(name[:1])+name[1:]] = value
	}
	return chart, nil
}

func render(folder, valuesPath string) (object, error) {
	chart, err := chartObject(filepath.Join(folder, "Chart.yaml"))
	if err != nil {
		return nil, err
	}
	values, err := readFile(filepath.Join(folder, "values.yaml"))
	if err != nil {
		return nil, err
	}
	if valuesPath != "" {
		given, err := readFile(valuesPath)
		if err != nil {
			return nil, err
		}
		values = merge(values, given)
	}
	// Helm's default: what is not there prints nothing, and only a look into it is an error.
	all := template.New("chart").Option("missingkey=zero")
	all.Funcs(functions(all))
	paths, err := filepath.Glob(filepath.Join(folder, "templates", "*"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if _, err := all.New(filepath.Base(path)).Parse(string(text)); err != nil {
			return nil, err
		}
	}
	rendered := object{}
	for _, path := range paths {
		name := filepath.Base(path)
		if strings.HasPrefix(name, "_") {
			continue
		}
		scope := object{
			"Values":  values,
			"Chart":   chart,
			"Release": object{"Name": "prod", "Namespace": "espalier", "Service": "Helm", "Revision": 1, "IsInstall": true, "IsUpgrade": false},
		}
		var text bytes.Buffer
		if err := all.ExecuteTemplate(&text, name, scope); err != nil {
			return nil, err
		}
		rendered[name] = strings.ReplaceAll(text.String(), "<no value>", "")
	}
	return object{"values": values, "templates": rendered}, nil
}

func main() {
	if len(os.Args) < 2 || len(os.Args) > 3 {
		fmt.Fprintln(os.Stderr, "usage: render CHART [VALUES]")
		os.Exit(2)
	}
	rendered, err := render(os.Args[1], strings.Join(os.Args[2:], ""))
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(rendered)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
