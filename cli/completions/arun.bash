# SPDX-License-Identifier: MIT
# Completion of arun for bash; the options are those of `arun --help`, a test compares them.

# Prints what may follow the name of an option that takes a value.
_arun_values() {
	case $1 in
	--leaks) compgen -W 'off warn error' -- "$2" ;;
	--log-level) compgen -W 'error warning notice info debug' -- "$2" ;;
	--log-format) compgen -W 'auto text json journal' -- "$2" ;;
	--report | --suppress) compgen -f -- "$2" ;;
	esac
}

# What follows `arun ps` or `arun tree`: its options, and processes of that name.
_arun_processes() {
	local options='-j --json -h --help'
	case $1 in
	ps) options+=' --ready' ;;
	tree) options+=' --html' ;;
	esac
	if [[ $2 == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$2")
	else
		mapfile -t COMPREPLY < <(compgen -W "$(pgrep -x arun 2>/dev/null)" -- "$2")
	fi
}

# Sets wants to the option whose value comes next ("" for none), plugin to 1 after PLUGIN.
_arun_walk() {
	local word dashes=''
	wants='' plugin=''
	for word; do
		if [[ $word == '=' && $wants ]]; then
			continue
		elif [[ $wants ]]; then
			wants=''
			continue
		elif [[ $dashes || $word != -?* ]]; then
			plugin=1
			return
		fi
		case $word in
		--) dashes=1 ;;
		--listen | --workers | --grace | --leaks | --report | --suppress | --log-level | --log-format) wants=$word ;;
		--*) ;;
		-*l) wants=--listen ;;
		-*w) wants=--workers ;;
		-*g) wants=--grace ;;
		-*s) wants=--suppress ;;
		esac
	done
	[[ $dashes ]] && wants=PLUGIN
}

_arun() {
	local cur=${COMP_WORDS[COMP_CWORD]} wants plugin prefix=''
	COMPREPLY=()
	if [[ $COMP_CWORD -gt 1 && ${COMP_WORDS[1]} == @(ps|tree) ]]; then
		_arun_processes "${COMP_WORDS[1]}" "$cur"
		return
	fi
	_arun_walk "${COMP_WORDS[@]:1:COMP_CWORD-1}"
	if [[ $plugin ]]; then
		return # the plugin's own words: names of files
	fi
	if [[ $cur == '=' ]]; then
		cur=''
	elif [[ ! $wants && $cur == --*=* ]]; then # '=' is not in $COMP_WORDBREAKS
		wants=${cur%%=*} prefix=$wants= cur=${cur#*=}
	fi
	if [[ ! $wants && $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W '-d --debug -t --check -l --listen= -w --workers= -r --reload -g --grace=
			--leaks= --report= -s --suppress= --log-level= --log-format= -h --help -V --version' -- "$cur")
		[[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null
	elif [[ $wants && $wants != PLUGIN ]]; then
		mapfile -t COMPREPLY < <(_arun_values "$wants" "$cur")
		COMPREPLY=("${COMPREPLY[@]/#/$prefix}")
	else
		compopt -o filenames 2>/dev/null
		# A word without a slash is not a file, but a name looked for in $ARUN_PATH.
		local file=$cur
		[[ $cur == */* || $cur == [.~]* ]] || file=./$cur
		mapfile -t COMPREPLY < <(compgen -f -X '!*.so' -- "$file"; compgen -d -- "$file"
			[[ $COMP_CWORD -eq 1 ]] && compgen -W 'ps tree' -- "$cur")
	fi
}
complete -o default -F _arun arun
