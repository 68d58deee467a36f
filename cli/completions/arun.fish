# SPDX-License-Identifier: MIT
# Completion of arun for fish; the options are those of `arun --help`, a test compares them.

# Whether PLUGIN is still to come: options end there.
function __arun_before_plugin
	set -l words (commandline -opc)
	set -e words[1]
	set -l value 0
	for word in $words
		if test $value -eq 1
			set value 0
			continue
		end
		switch $word
			case --listen --workers --grace --leaks --report --suppress --log-level --log-format
				set value 1
			case '--*'
			case '-*l' '-*w' '-*g' '-*s'
				set value 1
			case '-*'
			case '*'
				return 1
		end
	end
	return 0
end

# Whether the first word is this command.
function __arun_command
	set -l words (commandline -opc)
	test (count $words) -gt 1; and contains -- $words[2] $argv
end

complete -c arun -n 'test (count (commandline -opc)) -eq 1' -f -a 'ps tree'
complete -c arun -n '__arun_command ps tree' -f -a '-j --json -h --help (pgrep -x arun)'
complete -c arun -n '__arun_command ps' -f -a --ready
complete -c arun -n '__arun_command tree' -f -a --html
complete -c arun -n __arun_before_plugin -f -a '(__fish_complete_suffix .so)'
complete -c arun -n __arun_before_plugin -s d -l debug -d 'check more; stacks and source lines in the reports'
complete -c arun -n __arun_before_plugin -s t -l check -d 'load PLUGIN, print what it offers, and exit'
complete -c arun -n __arun_before_plugin -s l -l listen -x -d 'open a socket for PLUGIN to serve (may be repeated)'
complete -c arun -n __arun_before_plugin -s w -l workers -x -d 'run N processes that share the sockets (0: one per CPU)'
complete -c arun -n __arun_before_plugin -s r -l reload -d 'start PLUGIN again when its file changes'
complete -c arun -n __arun_before_plugin -s g -l grace -x -d 'time to end cleanly after a signal (8)'
complete -c arun -n __arun_before_plugin -l leaks -x -a 'off warn error' -d 'what leaks do at the end (warn); error: exit status 23'
complete -c arun -n __arun_before_plugin -l report -r -F -d 'write the reports to FILE as JSON, one a line'
complete -c arun -n __arun_before_plugin -s s -l suppress -r -F -d 'objects to leave out of the reports'
complete -c arun -n __arun_before_plugin -l log-level -x -a 'error warning notice info debug' -d 'error, warning, notice, info or debug (info)'
complete -c arun -n __arun_before_plugin -l log-format -x -a 'auto text json journal' -d 'auto, text, json or journal (auto)'
complete -c arun -n __arun_before_plugin -s h -l help -d 'print the options and exit'
complete -c arun -n __arun_before_plugin -s V -l version -d 'print the version and exit'
