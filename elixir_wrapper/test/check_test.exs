defmodule Linx.Netlink.Port.CheckTest do
  @moduledoc "The check of docs/DEPLOYMENT.md, on machines on which a way of that page has been followed."

  use Linx.Netlink.Port.Test.Case, async: false

  import Linx.Netlink.Port.Test.Deployment

  alias Linx.Netlink.Port.Test.{Deployment, Document, Machine}

  # The REPL is built for it.
  @moduletag :packaging
  @moduletag timeout: 600_000

  @start Deployment.start()
  @program Deployment.program()

  setup do
    section = Document.section!(page(), "Check that it works")
    [build, "/opt/my_app/bin/my_app rpc " <> _expression] = Document.code(section, "console")

    {output, status} =
      System.cmd("sh", ["-c", build], cd: Document.path("."), stderr_to_stdout: true)

    assert status == 0, output
    [check] = Document.code(section, "sh")
    [_list, more] = Regex.run(~r/`(--launcher [^`]*)`/, section)
    {:ok, check: check, more: more, namespace: Namespace.create()}
  end

  test "the check of 1 lists the links of a namespace", context do
    assert check(install("1 "), context.check, context.namespace) =~ context.namespace.bridge
  end

  test "the check of 1 says what is wrong", context do
    machine = install("1 ")
    Machine.run(machine, "gpasswd --delete my_app netlink")
    assert {said, 1} = try_check(machine, context.check, context.namespace)
    assert said =~ "Permission denied"
    Machine.run(machine, "usermod --append --groups netlink my_app; setcap -r #{@program}")
    assert {said, 1} = try_check(machine, context.check, context.namespace)
    assert said =~ "{1, {:error, {:setns, 1}}}"
  end

  test "the check of 2 says that things can be changed", context do
    [start] = for code <- codes("2 ", "sh"), do: String.replace(code, @start, "")
    [words] = Regex.run(~r/^setpriv .*--reset-env/m, context.check)
    check = context.check |> String.replace(words, String.trim(start)) |> with_info()
    machine = install("1 ")
    assert check(machine, check, context.namespace) =~ "read_only: false"
    assert check(machine, with_info(context.check), context.namespace) =~ "read_only: true"
  end

  test "the check of 4 goes through sudo", context do
    check = String.replace(context.check, "':links 1'", "':links 1' #{context.more}")
    assert check(install("4 "), check, context.namespace) =~ context.namespace.bridge
  end

  defp with_info(check), do: String.replace(check, "-e ':links 1'", "-e ':links 1' -e ':info'")

  defp check(machine, check, namespace) do
    assert {output, 0} = try_check(machine, check, namespace)
    output
  end

  defp try_check(machine, check, namespace) do
    check = Regex.replace(~r/^ip netns .*\n/m, check, "")
    Machine.try_run(machine, String.replace(check, "/blue", "/" <> namespace.name))
  end
end
